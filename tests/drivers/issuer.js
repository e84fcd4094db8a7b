// An issuer that others wrote (oidc-provider, certified by the OpenID Foundation): prints its URL and waits. At each line of standard
// input, a client and an audience, it prints an access token of that client for that audience; at `key` its public key (PEM, in
// base64). It ends with its input. With a URL as its argument it says that it is the issuer of that URL.
'use strict';
const crypto = require('node:crypto');
const http = require('node:http');
const readline = require('node:readline');

// Its notices are not for whoever reads tokens here.
console.info = console.error;

// What tokens of each client say of its groups; those of `etl` say nothing, and those of `brief` are good for a second.
const GROUPS = {
  etl: undefined, 'ana.reed': ['evidence', 'staff'], 'max.orr': ['on-call'], brief: ['evidence'], guest: ['visitors'],
  // Groups of people, of which a token makes nobody a member.
  people: ['compliance', 'dba'],
};

async function main() {
  // oidc-provider is an ES module, which Node looks for beside this file and nowhere else.
  const { default: Provider } = await import(`${process.cwd()}/node_modules/oidc-provider/lib/index.js`);
  const server = http.createServer();
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const own = `http://127.0.0.1:${server.address().port}`;
  const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
  const provider = new Provider(process.argv[2] ?? own, {
    // Every issuer calls its key so.
    jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), kid: 'signing', use: 'sig', alg: 'RS256' }] },
    clients: Object.keys(GROUPS).map((name) => ({
      client_id: name, client_secret: 'secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    })),
    extraTokenClaims: (_context, token) => ({ groups: GROUPS[token.clientId] }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource, client) => ({
          scope: 'connect', audience: resource, accessTokenTTL: client.clientId === 'brief' ? 1 : 600, accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  server.on('request', provider.callback());
  console.log(own);
  for await (const line of readline.createInterface({ input: process.stdin })) {
    if (line === 'key') {
      console.log(Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })).toString('base64'));
      continue;
    }
    const [client, audience] = line.split(' ');
    const answer = await fetch(`${own}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${client}:secret`).toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'connect', resource: audience }),
    });
    const said = await answer.json();
    console.log(said.access_token ?? `error ${JSON.stringify(said)}`);
  }
  server.close();
  server.closeAllConnections();
}

main();
