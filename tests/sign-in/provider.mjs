// The company's identity provider: `oidc-provider`, which is certified, on a port of its own.
//
// Its port is known before it knows its client's: until it is told, and while it is away, it answers
// 503, as a provider does that is being restarted.
import { createServer } from "node:http";
import { randomBytes } from "node:crypto";
import Provider from "oidc-provider";

export const CLIENT_ID = "signpost-at-work";
export const CLIENT_SECRET = randomBytes(24).toString("base64url");

// Who works there: the account's name, and what the provider says of them.
const PEOPLE = {
  ada: { email: "ada@example.com", email_verified: true, name: "Ada Lovelace" },
  // An account that was made anew for the same person has another name.
  "ada-again": { email: "Ada@Example.com", email_verified: true, name: "Ada Lovelace" },
  victim: { email: "victim@example.com", email_verified: true, name: "Vera Victim" },
  unverified: { email: "unverified@example.com", email_verified: false, name: "Una Unverified" },
  nameless: { email: "nameless@example.com", email_verified: true },
  addressless: { name: "Nobody" },
  stranger: { email: "stranger@elsewhere.example", email_verified: true, name: "Sam Stranger" },
  neighbour: { email: "n@sub.example.com", email_verified: true, name: "Nick Neighbour" },
};

export async function start() {
  let handle;
  let calls = [];
  const answerBusy = (request, response) => response.writeHead(503).end();
  const server = createServer((request, response) => {
    calls.push(new URL(request.url, "http://provider").pathname);
    (handle ?? answerBusy)(request, response);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  let callback;

  return {
    issuer,
    // The paths that were asked for since it was asked last.
    takeCalls() {
      const taken = calls;
      calls = [];
      return taken;
    },
    // Serves this client from now on. `inToken` says where it puts what it knows of a person: in the
    // ID token, or where it has to be asked for, as most do.
    serve(redirectUri, { inToken = false } = {}) {
      const provider = new Provider(issuer, {
        clients: [
          {
            client_id: CLIENT_ID,
            client_secret: CLIENT_SECRET,
            redirect_uris: [redirectUri],
            response_types: ["code"],
            grant_types: ["authorization_code"],
          },
        ],
        claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
        conformIdTokenClaims: !inToken,
        cookies: { keys: [randomBytes(24).toString("base64url")] },
        findAccount: (_, id) =>
          PEOPLE[id] && { accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) },
        pkce: { required: () => true },
        ttl: { Grant: 600, IdToken: 600, Interaction: 600, Session: 600, AccessToken: 600 },
      });
      callback = provider.callback();
      handle = callback;
    },
    // Everybody gets 503 until it is back.
    goAway() {
      handle = undefined;
    },
    comeBack() {
      handle = callback;
    },
    stop() {
      server.closeAllConnections();
      server.close();
    },
  };
}
