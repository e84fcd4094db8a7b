// What node-postgres does with a server, one line to each thing: its name and what came of it. See use_psycopg.py.
//
//     node use_pg.js URL
'use strict'

const fs = require('fs')
const { Client, Pool } = require(process.cwd() + '/node_modules/pg')

const url = new URL(process.argv[2])
const options = {
  host: url.hostname,
  port: Number(url.port),
  user: url.username,
  password: url.password,
  database: url.pathname.slice(1),
  ssl: { ca: fs.readFileSync(url.searchParams.get('sslrootcert')), servername: 'localhost' },
}

const said = (name, value) => console.log(`${name} = ${JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? `${one}n` : one))}`)
const rows = async (client, ...query) => (await client.query(...query)).rows

async function failed(name, client, ...query) {
  try {
    await client.query(...query)
    said(name, 'no error')
  } catch (error) {
    said(name, [error.code, error.severity, error.message, error.position])
  }
}

async function values(client) {
  const all = {
    int4: 7, int8: '9007199254740993', float8: 0.25, numeric: '1.10', bool: true, text: "Zoë '\\ \n", bytea: Buffer.from([0, 255]), uuid: null,
    date: '2024-02-29', timestamptz: '2024-01-01T00:00:00Z', 'int4[]': [1, 2, null], 'text[]': ['a', 'b"c'], jsonb: { a: [1, null] }, point: '(1,2)',
    interval: '1 day 2 hours', inet: '10.0.0.1', int4range: '[1,5)',
  }
  for (const [kind, value] of Object.entries(all)) {
    said(kind, await rows(client, `SELECT $1::${kind} AS v`, [value]))
    if (['int4', 'bool', 'text', 'float8'].includes(kind)) {
      said(`${kind} binary`, await rows(client, { text: `SELECT $1::${kind} AS v`, values: [value], binary: true }))
    }
  }
  const described = await client.query({ text: 'SELECT 1 AS a, now() AS b', rowMode: 'array' })
  said('fields', described.fields.map((field) => [field.name, field.dataTypeID, field.format]))
}

async function statements(client) {
  for (let number = 0; number < 10; number++) {
    said('prepared', await rows(client, { name: 'again', text: 'SELECT $1::int + 1 AS v', values: [number] }))
  }
  said('several', (await client.query('SELECT 1 AS a; SELECT 2 AS b; VALUES (3)')).map((result) => [result.command, result.rows]))
  said('made', (await client.query('CREATE TEMP TABLE t (a int PRIMARY KEY, b text)')).command)
  said('inserted', (await client.query('INSERT INTO t SELECT n, n::text FROM generate_series(1, 1000) n')).rowCount)
  said('big', (await rows(client, "SELECT a, repeat(b, 100) AS b FROM t ORDER BY a")).map((row) => row.b.length).reduce((a, b) => a + b))
  said('empty', (await client.query('')).command)
  said('part', (await client.query({ text: 'SELECT a FROM t ORDER BY a', rows: 5 })).rows.length)
}

async function failures(client) {
  await failed('division', client, 'SELECT 1 / 0')
  await failed('syntax', client, 'SELECT FROM WHERE')
  await failed('syntax with values', client, 'SELEC $1', [1])
  await failed('no table', client, 'SELECT * FROM nowhere')
  await failed('duplicate', client, 'INSERT INTO t VALUES ($1)', [1])
  await failed('bad number', client, 'SELECT $1::int', ['x'])
  said('still there', await rows(client, 'SELECT 1 AS v'))
}

async function transactions(client) {
  await client.query('BEGIN')
  await client.query('INSERT INTO t VALUES (5000)')
  await client.query('SAVEPOINT s')
  await failed('breaks', client, 'SELECT 1 / 0')
  await failed('aborted', client, 'SELECT 1')
  await client.query('ROLLBACK TO s')
  await client.query('COMMIT')
  said('kept', await rows(client, 'SELECT a FROM t WHERE a >= 5000'))
  // Sent without waiting.
  const results = await Promise.allSettled([client.query('SELECT 1 AS v'), client.query('SELECT 1 / 0'), client.query('SELECT $1::int AS v', [3])])
  said('ahead', results.map((result) => (result.status === 'fulfilled' ? result.value.rows : result.reason.code)))
}

async function messages(client) {
  const other = new Client(options)
  await other.connect()
  const notices = []
  client.on('notice', (notice) => notices.push([notice.severity, notice.message]))
  await client.query("DO $$BEGIN RAISE NOTICE 'one'; RAISE WARNING 'two'; END$$")
  said('notices', notices)
  await client.query('LISTEN news')
  const heard = new Promise((resolve) => client.once('notification', (note) => resolve([note.channel, note.payload])))
  await other.query("NOTIFY news, 'hello'")
  said('notified', await heard)
  const asleep = failed('cancelled', client, 'SELECT pg_sleep(60)')
  const waiting = "SELECT pg_cancel_backend(pid) AS v FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'"
  while ((await rows(other, waiting, [client.processID])).length === 0);
  await asleep
  said('after', await rows(client, 'SELECT 1 AS v'))
  await other.end()
}

async function main() {
  const client = new Client(options)
  await client.connect()
  for (const part of [values, statements, failures, transactions, messages]) await part(client)
  await client.end()
  const pool = new Pool({ ...options, max: 5 })
  const results = await Promise.all(Array.from({ length: 40 }, (_, number) => rows(pool, 'SELECT $1::int AS v', [number])))
  said('pool', results.map(([row]) => row.v))
  await pool.end()
}

main().catch((error) => {
  console.error(error)
  process.exit(1)
})
