const { shout } = require("./shout");
console.log(shout(process.argv.slice(2).join(" ") || "hello from node"));
