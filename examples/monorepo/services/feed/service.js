// What is new, for those who read feeds.
require("./lib/web")("feed", (service) => {
  service.get("/feed.xml", async (request, reply) =>
    reply.type("application/rss+xml").send('<rss version="2.0"><channel><title>Books</title></channel></rss>\n'),
  );
});
