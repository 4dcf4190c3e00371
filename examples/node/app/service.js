// A page that greets who asks for it.
const fastify = require("fastify");

module.exports = () => {
  const service = fastify();
  service.get("/", async () => ({ greeting: "Hello, world!" }));
  service.get("/:name", async (request) => ({ greeting: `Hello, ${request.params.name}!` }));
  return service;
};
