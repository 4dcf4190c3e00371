// The first page.
require("./lib/web")("storefront", (service) => {
  service.get("/", async (request, reply) => reply.type("text/html").send("<h1>Books</h1>\n"));
});
