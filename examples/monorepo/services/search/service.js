// Books by a part of their title.
const TITLES = ["Middlemarch", "Emma", "Persuasion"];

require("./lib/web")("search", (service) => {
  service.get("/search", async (request) => {
    const word = String(request.query.q ?? "").toLowerCase();
    return TITLES.filter((title) => title.toLowerCase().includes(word));
  });
});
