// Answer on port 8000, until it is told to stop.
const service = require("./service")();

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => service.close());
service.listen({ host: "0.0.0.0", port: 8000 });
