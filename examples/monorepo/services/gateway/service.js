// Which service answers what.
const ROUTES = { "/books": "catalog", "/orders": "orders", "/users": "users" };

require("./lib/web")("gateway", (service) => {
  service.get("/routes", async () => ROUTES);
});
