// A page that greets who asks for it.
const service = require("fastify")();

service.get("/", async () => ({ greeting: "Hello, world!" }));
service.get("/:name", async (request) => ({ greeting: `Hello, ${request.params.name}!` }));

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => service.close());
service.listen({ host: "0.0.0.0", port: 8000 });
