/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The byte stream of a hostile rank, as it comes over TCP, into a protocol engine with operations
 * under way. Input: a byte for the rank, a byte for how the stream is cut, the stream. Pieces are
 * put where the engine says, as the transport does. Whatever comes, nothing is written outside of
 * a receive's buffer, what is kept is bounded, and every operation ends.
 */
#include <errno.h>
#include <string.h>

#include "dvm/error.h"
#include "libdvm/base/rng.h"
#include "libdvm/net/unpack.h"
#include "tests/fuzz/engine.h"
#include "tests/fuzz/fuzz.h"

enum { MOST = 60000 };

/* An exact copy, so that a sanitizer sees a byte read too far. */
static int feed(struct dvmi_unpack *u, const uint8_t *data, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1);

	FUZZ_CHECK(exact);
	memcpy(exact, data, n);
	int rc = dvmi_unpack_feed(u, exact, n);
	free(exact);
	return rc;
}

/* As one read of the transport. */
static int take(struct dvmi_unpack *u, const uint8_t *data, size_t n)
{
	size_t direct = 0;
	void *at = dvmi_unpack_place(u, &direct);

	if (!at)
		direct = 0;
	FUZZ_CHECK(!at || (direct > 0 && direct <= u->data.len));
	direct = direct < n ? direct : n;
	if (direct) {
		memcpy(at, data, direct);
		dvmi_unpack_placed(u, at, direct);
	}
	return n > direct ? feed(u, data + direct, n - direct) : 0;
}

static void pump(struct engine *e, struct dvmi_unpack *u, const uint8_t *data, size_t size)
{
	struct dvmi_rng rng;
	int rc = 0;

	dvmi_rng_seed(&rng, data[1]);
	for (size_t at = 2; at < size && rc == 0 && !u->stuck;) {
		size_t n = 1 + dvmi_rng_below(&rng, data[1] & 1 ? 40 : 2000);
		n = n < size - at ? n : size - at;
		rc = take(u, data + at, n);
		at += n;
		dvmi_p2p_flush(&e->p);
		FUZZ_CHECK(e->p.peers[u->src].held <= e->p.credit);
		FUZZ_CHECK(u->len < sizeof(struct dvmi_wire_frame) + MOST);
	}
	FUZZ_CHECK(rc == 0 || rc == -DVM_EPROTO || rc == -ENOMEM);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct dvmi_wire_limits limits = { .data = MOST, .other = MOST };
	static struct engine e;

	if (size < 2)
		return 0;
	engine_open(&e);
	struct dvmi_sink sink = dvmi_p2p_sink(&e.p);
	struct dvmi_unpack u = { .src = 1 + data[0] % (ENGINE_RANKS - 1),
				 .limits = &limits,
				 .sink = &sink };
	pump(&e, &u, data, size);
	dvmi_unpack_fini(&u);
	engine_close(&e);
	return 0;
}
