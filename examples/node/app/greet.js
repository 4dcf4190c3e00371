// Ask the service for its page without a network, and print what it says.
const yargs = require("yargs");
const service = require("./service");

const name = yargs(process.argv.slice(2)).usage("greet [NAME]").parse()._[0] ?? "";
service()
  .inject(`/${encodeURIComponent(name)}`)
  .then((answer) => console.log(answer.payload));
