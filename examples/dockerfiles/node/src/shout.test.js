const assert = require("node:assert");
const test = require("node:test");
const { shout } = require("./shout");

test("it shouts", () => assert.strictEqual(shout("hello"), "HELLO!"));
