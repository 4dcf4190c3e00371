// Puts the modules of src into one file, dist/main.js.
const { mkdirSync, readFileSync, writeFileSync } = require("node:fs");

const { version } = JSON.parse(readFileSync("package.json", "utf8"));
const shout = readFileSync("src/shout.js", "utf8").replace(/^module\.exports.*$/m, "");
const main = readFileSync("src/main.js", "utf8").replace(/^const .*require\("\.\/shout"\);$/m, shout);
mkdirSync("dist", { recursive: true });
writeFileSync("dist/main.js", `// shout ${version}\n${main}`);
