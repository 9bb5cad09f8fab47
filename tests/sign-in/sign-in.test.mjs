// Signing in, as a browser and a tool see it: the real product, a certified provider, real HTTP.
import assert from "node:assert/strict";
import { createHash, createPublicKey, randomBytes, verify } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";

import { Browser } from "./browser.mjs";
import * as providers from "./provider.mjs";
import * as signpost from "./signpost.mjs";

const { SIGNPOST_BINARY: binary, SIGNPOST_DATA: dataDir } = process.env;
assert.ok(binary && dataDir, "scripts/sign-in sets SIGNPOST_BINARY and SIGNPOST_DATA");

// Where a tool on the person's machine would listen. The test reads the address, nobody is there.
const REDIRECT = "http://127.0.0.1:49152/callback?tool=cli";
const REGISTERED = "https://tools.example.com/signed-in";
const PASSWORD = "correct horse battery staple 7";

let provider;
let product;
let workspace;
// Made before there is an identity provider, with somebody else's address.
let squatter;
// What must stand in no log.
const secrets = [];

async function json(address) {
  const answer = await fetch(address);
  assert.equal(answer.status, 200, address);
  return answer.json();
}

function verifier() {
  return randomBytes(32).toString("base64url");
}

function challenge(text) {
  return createHash("sha256").update(text).digest("base64url");
}

// The address at which a client begins.
function authorizeUrl(changes = {}) {
  const query = {
    response_type: "code",
    client_id: "signpost",
    redirect_uri: REDIRECT,
    state: "the-clients-state",
    code_challenge: challenge(verifier()),
    code_challenge_method: "S256",
    ...changes,
  };
  const given = Object.entries(query).filter(([, value]) => value !== null);
  return `${product.url}/oauth/authorize?${new URLSearchParams(given)}`;
}

// What the client is told at its redirect URI.
function told(location, redirect = REDIRECT) {
  assert.ok(location.startsWith(redirect), location);
  const answer = Object.fromEntries(new URL(location).searchParams);
  assert.equal(answer.state, "the-clients-state", location);
  assert.equal(answer.iss, product.url, location);
  return answer;
}

// Begins in a browser, and signs in at the provider as far as the address that it sends back to.
async function comeBack(person, { browser = new Browser(), ...changes } = {}) {
  const begun = await browser.get(authorizeUrl(changes));
  assert.equal(begun.status, 302, await begun.text());
  assert.equal(begun.headers.get("cache-control"), "no-store");
  const location = begun.headers.get("location");
  assert.ok(location.startsWith(`${provider.issuer}/auth?`), location);
  let at = await browser.get(location);
  let step = await browser.followWithin(provider.issuer, at);
  for (const form of [{ prompt: "login", login: person, password: "x" }, { prompt: "consent" }]) {
    // Somebody who is signed in at the provider is asked nothing.
    if (step.location) break;
    at = await browser.post(step.response.url, form);
    step = await browser.followWithin(provider.issuer, at);
  }
  assert.ok(step.location?.startsWith(`${product.url}/oauth/callback?`), step.location);
  return { browser, callback: step.location };
}

// The whole way to the code, or to the error.
async function signIn(person, options = {}) {
  const { browser, callback } = await comeBack(person, options);
  secrets.push(new URL(callback).searchParams.get("code"));
  const response = await browser.get(callback);
  assert.equal(response.status, 302, await response.text());
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.equal(response.headers.get("referrer-policy"), "no-referrer");
  const answer = told(response.headers.get("location"), options.redirect_uri);
  if (answer.code) secrets.push(answer.code);
  return { browser, callback, ...answer };
}

// The whole way to the tokens.
async function tokens(person, options = {}) {
  const proof = verifier();
  const { code, error } = await signIn(person, { code_challenge: challenge(proof), ...options });
  assert.ok(code, `${person}: ${error}`);
  const answer = await redeem(code, proof);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  secrets.push(answer.body.access_token, answer.body.refresh_token);
  return { ...answer.body, code, proof };
}

function redeem(code, proof, changes = {}) {
  const form = { grant_type: "authorization_code", code, redirect_uri: REDIRECT, ...changes };
  return signpost.token(product.url, { ...form, code_verifier: proof });
}

async function me(accessToken) {
  const answer = await signpost.api(product.url, accessToken, "/users/me");
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
}

async function refused(response, error) {
  assert.equal(response.status, 400);
  assert.equal(response.headers.get("location"), null);
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.equal((await response.json()).error, error);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

before(async () => {
  provider = await providers.start();
  // First without a provider: the workspace, and an account with somebody else's address.
  product = await signpost.start({ binary, dataDir, env: { SIGNUP: "open" } });
  const password = (await readFile(join(dataDir, "owner-password"), "utf8")).trim();
  const owner = { grant_type: "password", username: "owner@example.com", password };
  const opened = await signpost.token(product.url, owner);
  assert.equal(opened.status, 200, JSON.stringify(opened.body));
  workspace = signpost.claims(opened.body.access_token).ws;
  secrets.push(password, PASSWORD, opened.body.access_token, opened.body.refresh_token);

  assert.equal((await fetch(authorizeUrl())).status, 404, "there is no provider yet");
  const registered = await fetch(`${product.url}/api/v1/users`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email: "victim@example.com", name: "Squatter", password: PASSWORD }),
  });
  assert.equal(registered.status, 201, await registered.clone().text());
  const waiting = { grant_type: "password", username: "victim@example.com", password: PASSWORD };
  const held = await signpost.token(product.url, waiting);
  assert.equal(held.status, 200, JSON.stringify(held.body));
  secrets.push(held.body.access_token, held.body.refresh_token);
  squatter = { id: (await registered.json()).id, ...held.body };

  const { port } = product;
  assert.equal(await product.stop(), 0);
  product = await signpost.start({
    binary,
    dataDir,
    port,
    env: {
      OIDC_ISSUER: provider.issuer,
      OIDC_CLIENT_ID: providers.CLIENT_ID,
      OIDC_CLIENT_SECRET: providers.CLIENT_SECRET,
      OIDC_MEMBERS: `example.com=${workspace}:member`,
      SIGN_IN_REDIRECTS: REGISTERED,
      SIGN_IN_PER_MINUTE: "0",
    },
  });
  secrets.push(providers.CLIENT_SECRET);
});

after(async () => {
  await product?.stop();
  provider?.stop();
});

describe("signing in", () => {
  test("a provider that does not answer is no reason to fall over", async () => {
    const response = await fetch(authorizeUrl(), { redirect: "manual" });
    assert.equal(response.status, 302);
    const answer = told(response.headers.get("location"));
    assert.equal(answer.error, "temporarily_unavailable");
    assert.equal((await fetch(`${product.url}/api/v1/health`)).status, 200);
    provider.serve(`${product.url}/oauth/callback`);
    // It is left alone for two seconds.
    await pause(2_100);
  });

  let ada;
  test("somebody new joins by the domain of their address", async () => {
    const answer = await tokens("ada");
    ada = await me(answer.access_token);
    assert.equal(ada.email, "ada@example.com");
    assert.equal(ada.email_verified, true);
    assert.equal(ada.name, "Ada Lovelace");
    assert.deepEqual(ada.workspaces.map(({ id, role }) => [id, role]), [[workspace, "member"]]);
    assert.equal(answer.workspace, workspace);
    assert.ok(answer.scope.split(" ").includes("links:write"), answer.scope);

    const link = { method: "POST", headers: { "content-type": "application/json" } };
    const body = JSON.stringify({ url: "https://www.example.org/spring" });
    const made = await signpost.api(product.url, answer.access_token, "/links", { ...link, body });
    assert.equal(made.status, 201, JSON.stringify(made.body));
  });

  test("anybody can verify a token by the published keys", async () => {
    const answer = await tokens("ada");
    const [header, claims, signature] = answer.access_token.split(".");
    const read = (part) => JSON.parse(Buffer.from(part, "base64url"));
    const metadata = await json(`${product.url}/.well-known/openid-configuration`);
    const { keys } = await json(metadata.jwks_uri);
    const jwk = keys.find((key) => key.kid === read(header).kid);
    // RFC 7638: the thumbprint is over these members, in this order.
    const { crv, kty, x, y } = jwk;
    const thumbprint = createHash("sha256").update(JSON.stringify({ crv, kty, x, y }));
    assert.equal(jwk.kid, thumbprint.digest("base64url"));
    const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
    const proof = Buffer.from(signature, "base64url");
    assert.ok(verify("sha256", Buffer.from(`${header}.${claims}`), key, proof));
    assert.equal(read(claims).iss, metadata.issuer);
    assert.equal(read(claims).sub, ada.id);
  });

  test("the second time they are the same person, and may ask for less", async () => {
    const answer = await tokens("ada", { scope: "links:read account" });
    assert.equal((await me(answer.access_token)).id, ada.id);
    assert.deepEqual(answer.scope.split(" ").sort(), ["account", "links:read"]);
    const refreshed = await signpost.token(product.url, {
      grant_type: "refresh_token",
      refresh_token: answer.refresh_token,
    });
    assert.equal(refreshed.status, 200, JSON.stringify(refreshed.body));
    secrets.push(refreshed.body.access_token, refreshed.body.refresh_token);
  });

  test("another account at the provider with the same verified address is theirs too", async () => {
    const answer = await tokens("ada-again");
    assert.equal((await me(answer.access_token)).id, ada.id);
  });

  test("whom the provider gives no name is called by their address", async () => {
    const answer = await tokens("nameless");
    assert.equal((await me(answer.access_token)).name, "nameless");
  });

  test("two tabs of one browser do not disturb each other", async () => {
    const browser = new Browser();
    const one = await comeBack("ada", { browser });
    const two = await comeBack("ada", { browser });
    for (const { callback } of [one, two]) {
      const response = await browser.get(callback);
      assert.ok(told(response.headers.get("location")).code);
    }
  });

  test("a page of the service and a registered address get the browser back", async () => {
    for (const redirect_uri of [`${product.url}/app/signed-in`, REGISTERED]) {
      const proof = verifier();
      const { code } = await signIn("ada", { redirect_uri, code_challenge: challenge(proof) });
      assert.equal((await redeem(code, proof, { redirect_uri })).status, 200);
    }
  });

  test("a code that is shown twice ends the session that it opened", async () => {
    const { code, proof, access_token, refresh_token } = await tokens("ada");
    const again = await redeem(code, proof);
    assert.deepEqual([again.status, again.body.error], [400, "invalid_grant"]);
    const refresh = { grant_type: "refresh_token", refresh_token };
    const refreshed = await signpost.token(product.url, refresh);
    assert.deepEqual([refreshed.status, refreshed.body.error], [400, "invalid_grant"]);
    assert.equal((await signpost.api(product.url, access_token, "/users/me")).status, 401);
  });

  test("many who redeem a code at once open no session that lasts", async () => {
    const proof = verifier();
    const { code } = await signIn("ada", { code_challenge: challenge(proof) });
    const answers = await Promise.all(Array.from({ length: 8 }, () => redeem(code, proof)));
    const opened = answers.filter(({ status }) => status === 200);
    assert.ok(opened.length <= 1, JSON.stringify(answers.map(({ status }) => status)));
    for (const { body } of opened) {
      secrets.push(body.access_token, body.refresh_token);
      const refresh = { grant_type: "refresh_token", refresh_token: body.refresh_token };
      assert.equal((await signpost.token(product.url, refresh)).status, 400);
    }
  });

  test("a code is worth nothing without its verifier, or at another address", async () => {
    const proof = verifier();
    const { code } = await signIn("ada", { code_challenge: challenge(proof) });
    for (const answer of [
      await redeem(code, verifier()),
      await redeem(code, challenge(proof)),
      await redeem(code, proof, { redirect_uri: "http://127.0.0.1:49153/callback?tool=cli" }),
      await redeem(`${code.slice(0, -1)}${code.endsWith("0") ? "1" : "0"}`, proof),
    ]) {
      assert.deepEqual([answer.status, answer.body.error], [400, "invalid_grant"]);
    }
    const without = await signpost.token(product.url, {
      grant_type: "authorization_code",
      code,
      redirect_uri: REDIRECT,
    });
    assert.deepEqual([without.status, without.body.error], [400, "invalid_request"]);
  });

  test("a browser that did not begin finishes nothing, and disturbs nobody", async () => {
    const { browser, callback } = await comeBack("ada");
    await refused(await new Browser().get(callback), "invalid_request");
    // Not even one that has begun something of its own.
    const other = new Browser();
    await other.get(authorizeUrl());
    await refused(await other.get(callback), "invalid_request");
    const response = await browser.get(callback);
    assert.ok(told(response.headers.get("location")).code);
    await refused(await browser.get(callback), "invalid_request");
  });

  test("another state finishes nothing", async () => {
    const { browser, callback } = await comeBack("ada");
    const { callback: another } = await comeBack("victim");
    const [state, wrong] = [callback, another].map((it) => new URL(it).searchParams.get("state"));
    await refused(await browser.get(callback.replace(state, wrong)), "invalid_request");
    await refused(await browser.get(callback.replace(state, "made-up")), "invalid_request");
    await refused(await browser.get(callback.replace("state=", "x=")), "invalid_request");
    await refused(await browser.get(`${callback}&state=${state}`), "invalid_request");
  });

  test("the code of another sign-in is not taken", async () => {
    const { callback: another } = await comeBack("victim");
    const { browser, callback } = await comeBack("ada");
    const [code, wrong] = [callback, another].map((it) => new URL(it).searchParams.get("code"));
    const response = await browser.get(callback.replace(code, wrong));
    assert.equal(told(response.headers.get("location")).error, "access_denied");
  });

  test("somebody who says no at the provider is sent back with that", async () => {
    const browser = new Browser();
    const begun = await browser.get(authorizeUrl());
    const at = await browser.get(begun.headers.get("location"));
    const { response } = await browser.followWithin(provider.issuer, at);
    const aborted = await browser.get(`${response.url}/abort`);
    const { location } = await browser.followWithin(provider.issuer, aborted);
    assert.ok(location.startsWith(`${product.url}/oauth/callback?error=access_denied`), location);
    const answer = told((await browser.get(location)).headers.get("location"));
    assert.deepEqual([answer.error, answer.code], ["access_denied", undefined]);
  });

  test("whose address nobody has verified, or nobody let in, stays out", async () => {
    for (const person of ["unverified", "addressless", "stranger", "neighbour"]) {
      const answer = await signIn(person);
      assert.deepEqual([answer.error, answer.code], ["access_denied", undefined], person);
    }
  });

  test("who waits in an account with somebody else's address loses it to its owner", async () => {
    const before = await signpost.api(product.url, squatter.access_token, "/users/me");
    assert.equal(before.body.email_verified, false);
    // The gateway remembers a token for 60 s: this one it has not seen.
    const login = { grant_type: "password", username: "victim@example.com", password: PASSWORD };
    const fresh = await signpost.token(product.url, login);
    assert.equal(fresh.status, 200);
    secrets.push(fresh.body.access_token, fresh.body.refresh_token);

    const answer = await tokens("victim");
    const owner = await me(answer.access_token);
    assert.equal(owner.id, squatter.id, "the account goes to whose address it is");
    assert.equal(owner.email_verified, true);
    assert.deepEqual(owner.workspaces.map(({ role }) => role), ["member"]);

    const denied = await signpost.token(product.url, login);
    assert.deepEqual([denied.status, denied.body.error], [400, "invalid_grant"]);
    for (const { refresh_token } of [squatter, fresh.body]) {
      const refresh = { grant_type: "refresh_token", refresh_token };
      assert.equal((await signpost.token(product.url, refresh)).status, 400);
    }
    const after = await signpost.api(product.url, fresh.body.access_token, "/users/me");
    assert.equal(after.status, 401);
  });

  test("the audit log tells who came", async () => {
    const password = (await readFile(join(dataDir, "owner-password"), "utf8")).trim();
    const owner = { grant_type: "password", username: "owner@example.com", password };
    const { body } = await signpost.token(product.url, owner);
    secrets.push(body.access_token, body.refresh_token);
    const { body: log } = await signpost.api(product.url, body.access_token, "/audit?limit=100");
    const done = (action, subject) =>
      log.items.filter((it) => it.action === action && it.subject === subject);
    assert.equal(done("user.registered", ada.id).length, 1);
    assert.equal(done("member.added", ada.id)[0].details.role, "member");
    assert.equal(done("member.added", squatter.id).length, 1);
    assert.equal(done("identity.linked", ada.id).length, 2);
    assert.ok(!JSON.stringify(log).includes("@"), "no address");
  });

  test("nobody is sent to an address that nobody knows", async () => {
    const answer = await (await fetch(`${product.url}/.well-known/openid-configuration`)).json();
    assert.equal(answer.authorization_endpoint, `${product.url}/oauth/authorize`);
    for (const redirect_uri of [
      null,
      "https://evil.example/",
      `${product.url}/spring`,
      `${product.url}/app/../spring`,
      `${product.url}`,
      `http://127.0.0.1@evil.example/`,
      "http://localhost:49152/callback",
      "//evil.example/app/",
      "javascript:alert(1)",
      `${REGISTERED}/more`,
      `${REDIRECT}#x`,
    ]) {
      const response = await fetch(authorizeUrl({ redirect_uri }), { redirect: "manual" });
      await refused(response, "invalid_request");
    }
    for (const changes of [{ client_id: "another" }, { client_id: null }, { state: null }]) {
      const response = await fetch(authorizeUrl(changes), { redirect: "manual" });
      assert.deepEqual([response.status, response.headers.get("location")], [400, null]);
    }
  });

  test("what else is wrong is told to the client", async () => {
    for (const [changes, error] of [
      [{ response_type: "token" }, "unsupported_response_type"],
      [{ response_type: null }, "invalid_request"],
      [{ code_challenge: null }, "invalid_request"],
      [{ code_challenge: "short" }, "invalid_request"],
      [{ code_challenge_method: "plain" }, "invalid_request"],
      [{ code_challenge_method: null }, "invalid_request"],
      [{ scope: "links:read everything" }, "invalid_scope"],
      [{ workspace: "mine" }, "invalid_request"],
    ]) {
      const response = await fetch(authorizeUrl(changes), { redirect: "manual" });
      assert.equal(response.status, 302, JSON.stringify(changes));
      assert.equal(told(response.headers.get("location")).error, error, JSON.stringify(changes));
    }
  });

  test("a provider that goes away while somebody is there is told to the client", async () => {
    const { browser, callback } = await comeBack("ada");
    provider.goAway();
    const response = await browser.get(callback);
    assert.equal(told(response.headers.get("location")).error, "temporarily_unavailable");
    provider.comeBack();
    const { id } = await me((await tokens("ada")).access_token);
    assert.equal(id, ada.id, "and afterwards all is well");
  });

  test("a provider that says all that it knows in its token is asked nothing more", async () => {
    provider.takeCalls();
    await tokens("ada");
    assert.ok(provider.takeCalls().includes("/me"));
    provider.serve(`${product.url}/oauth/callback`, { inToken: true });
    const answer = await tokens("ada");
    assert.equal((await me(answer.access_token)).id, ada.id);
    assert.ok(!provider.takeCalls().includes("/me"));
  });

  test("no secret and nobody's address stands in the log", async () => {
    assert.equal(await product.stop(), 0);
    const log = product.log();
    assert.ok(log.length > 1_000, "the log tells something");
    for (const secret of secrets.filter((it) => it)) {
      assert.ok(!log.includes(secret), `${secret.slice(0, 6)}… is in the log`);
    }
    for (const text of ["@example.com", "@elsewhere.example", "sb_", "ss_", "Lovelace"]) {
      assert.ok(!log.includes(text), `${text} is in the log`);
    }
    assert.ok(!log.includes("panicked"), log);
  });
});
