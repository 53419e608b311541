// Drives the core from JavaScript: node host.mjs MODULE.wasm http://PROXY
import { readFile } from "node:fs/promises";
import { randomBytes } from "node:crypto";

const [path, proxy] = process.argv.slice(2);
const module = await WebAssembly.compile(await readFile(path));

/// One client of the core: hands in what has happened, and does what it says.
class Client {
  constructor(name, instance, onEvent) {
    Object.assign(this, { name, exports: instance.exports, onEvent, timer: undefined });
  }

  static async start(name, onEvent) {
    // The core imports nothing.
    const client = new Client(name, await WebAssembly.instantiate(module, {}), onEvent);
    client.turn({ start: { identity: [...randomBytes(16)], seed: randomBytes(4).readUInt32LE() } });
    return client;
  }

  /// The clock is read before commands go out, and after answers have come in.
  turn(input) {
    const text = JSON.stringify({ now: Number(process.hrtime.bigint()), ...input });
    for (const byte of new TextEncoder().encode(text)) this.exports.push(byte);
    const bytes = Uint8Array.from({ length: this.exports.turn() }, (_, i) => this.exports.byte(i));
    const { mistake, commands, events, wake } = JSON.parse(new TextDecoder().decode(bytes));
    if (mistake) throw new Error(mistake);
    commands.forEach((command) => this.send(command));
    clearTimeout(this.timer);
    if (wake !== null) this.timer = setTimeout(() => this.turn({}), this.until(wake));
    events.forEach((event) => {
      console.log(`${this.name}: ${event.words}`);
      this.onEvent(event);
    });
  }

  until(wake) {
    return Math.ceil((wake - Number(process.hrtime.bigint())) / 1e6);
  }

  async send({ command, statement }) {
    const request = { method: "POST", body: JSON.stringify(statement) };
    // No answer is an answer, too: nobody knows.
    const answer = await fetch(proxy, request).then((reply) => reply.json(), () => null);
    this.turn({ command, answer });
  }

  stop() {
    clearTimeout(this.timer);
  }
}

let hers;
const ada = await Client.start("ada", ({ event, lock }) => {
  if (event === "answered") ada.turn({ acquire: "in wasm" });
  if (event === "acquired") bob.turn({ acquire: "in wasm" });
  if (event === "acquired") hers = lock;
  if (event === "released") ada.stop();
});
const bob = await Client.start("bob", ({ event, lock }) => {
  if (event === "waiting") ada.turn({ release: hers });
  if (event === "acquired") bob.turn({ release: lock });
  if (event === "released") bob.stop();
});
ada.turn({ createTable: true });
