// An issuer that others wrote (oidc-provider, certified by the OpenID Foundation): prints its URL and waits; at each line of
// standard input it prints an access token for the audience of that line, and ends with its input.
'use strict';
const http = require('node:http');
const readline = require('node:readline');

// Its notices are not for whoever reads tokens here.
console.info = console.error;

async function main() {
  // oidc-provider is an ES module, which Node looks for beside this file and nowhere else.
  const { default: Provider } = await import(`${process.cwd()}/node_modules/oidc-provider/lib/index.js`);
  const server = http.createServer();
  await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
  const url = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(url, {
    clients: [{
      client_id: 'etl', client_secret: 'secret', grant_types: ['client_credentials'], redirect_uris: [], response_types: [],
    }],
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource) => ({
          scope: 'connect', audience: resource, accessTokenTTL: 600, accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
  });
  server.on('request', provider.callback());
  console.log(url);
  for await (const audience of readline.createInterface({ input: process.stdin })) {
    const answer = await fetch(`${url}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from('etl:secret').toString('base64')}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'connect', resource: audience }),
    });
    const said = await answer.json();
    console.log(said.access_token ?? `error ${JSON.stringify(said)}`);
  }
  server.close();
  server.closeAllConnections();
}

main();
