// SPDX-License-Identifier: Apache-2.0
// Load as a Node application makes it: fetch(), which is undici with kept-alive connections.
//
// usage: node fetch_client.mjs URL REQUESTS CONCURRENCY
//
// Prints "failed=N first=TEXT".
const [url, requests, concurrency] = process.argv.slice(2);
const failures = [];
let left = Number(requests);

async function worker() {
	while (left-- > 0) {
		try {
			const response = await fetch(url, { signal: AbortSignal.timeout(5000) });
			await response.arrayBuffer();
			if (response.status !== 200) failures.push(response.status);
		} catch (error) {
			failures.push(`${error} ${error.cause ?? ''}`);
		}
	}
}

await Promise.all(Array.from({ length: Number(concurrency) }, worker));
console.log(`failed=${failures.length} first=${failures[0]}`);
