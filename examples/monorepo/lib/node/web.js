// An application with what every service answers, on port 8000, until it is told to stop.
const fastify = require("fastify");

module.exports = (name, routes) => {
  const service = fastify();
  service.get("/health", async () => ({ status: "ok", service: name }));
  routes(service);
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => service.close());
  service.listen({ host: "0.0.0.0", port: 8000 });
};
