// The product: the real binary, in a process of its own.
import { spawn } from "node:child_process";
import { once } from "node:events";

const START_MS = 60_000;
const STOP_MS = 15_000;

// Starts it and waits until it is ready. Everything that it writes is kept for the test to read.
export async function start({ binary, dataDir, port = 0, env }) {
  const flags = ["--json", "--port", String(port), "--data-dir", dataDir];
  const child = spawn(binary, flags, {
    env: { PATH: process.env.PATH, HOME: process.env.HOME, RUST_LOG: "info", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let log = "";
  child.stderr.on("data", (data) => (log += data));
  const ready = new Promise((resolve, reject) => {
    child.stdout.on("data", (data) => {
      out += data;
      if (out.includes("\n")) resolve(JSON.parse(out.split("\n")[0]));
    });
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`it ended with ${code} before it was ready:\n${log}`)));
    setTimeout(() => reject(new Error(`it was not ready in time:\n${log}`)), START_MS).unref();
  });
  const { url } = await ready;

  return {
    url,
    port: Number(new URL(url).port),
    log: () => log,
    async stop() {
      if (child.exitCode !== null) return child.exitCode;
      const ended = once(child, "exit");
      child.kill("SIGINT");
      const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      const [code] = await ended;
      clearTimeout(late);
      return code;
    },
  };
}

// What the token endpoint answers.
export async function token(url, form) {
  const response = await fetch(`${url}/oauth/token`, {
    method: "POST",
    body: new URLSearchParams({ client_id: "signpost", ...form }),
  });
  return { status: response.status, body: await response.json() };
}

// What the API answers to somebody with a token.
export async function api(url, accessToken, path, init = {}) {
  const headers = { authorization: `Bearer ${accessToken}`, ...init.headers };
  const response = await fetch(`${url}/api/v1${path}`, { ...init, headers });
  const text = await response.text();
  return { status: response.status, body: text === "" ? null : JSON.parse(text) };
}

// The claims of an access token.
export function claims(accessToken) {
  return JSON.parse(Buffer.from(accessToken.split(".")[1], "base64url"));
}
