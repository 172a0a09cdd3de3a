/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A transport moves packets between this rank and others: in order per peer, without loss, without
 * knowing what they mean. It never blocks and never calls send from inside progress on its own
 * account; the sink may. Peers are named by their rank in the job.
 *
 * Not thread-safe: the owner of the handle serialises.
 */
#ifndef DVMI_NET_TPORT_H
#define DVMI_NET_TPORT_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Every transport takes packets with that much payload: an active message with its head. */
#define DVMI_TPORT_PACKET_MIN (66u * 1024)

/* What a packet says beside its payload. Kinds, context and tag belong to the sink. */
struct dvmi_pkt {
	uint8_t kind; /* 1 … 255 */
	uint32_t ctx;
	int32_t tag;
	uint32_t len; /* bytes of payload */
};

/* Where packets go. */
struct dvmi_sink {
	/*
	 * Takes a packet; PAYLOAD is valid during the call. Returns 0, or -EAGAIN when it cannot
	 * now: then the transport keeps the packet and whatever follows from SRC, and offers it
	 * again. A DATA packet is always taken, and may come in several pieces.
	 */
	int (*packet)(void *arg, uint32_t src, const struct dvmi_pkt *pkt, const void *payload);
	/*
	 * Where the next bytes of the DATA packet PKT of SRC go: room for *N of them (1 …
	 * pkt->len), which the caller fills at once and then hands over as a DATA packet of that
	 * length whose payload is the place itself. NULL: they have to be brought. May be NULL.
	 */
	void *(*place)(void *arg, uint32_t src, const struct dvmi_pkt *pkt, size_t *n);
	/* PEER cannot be reached any more; CODE is negative. Called at most once per peer. */
	void (*down)(void *arg, uint32_t peer, int code);
	void *arg;
};

struct dvmi_split;
struct dvmi_tport;

struct dvmi_tport_ops {
	size_t size; /* of this table */
	const char *name;
	/*
	 * Takes a packet with at most packet_max bytes of payload, which it has copied on return.
	 * 0, -EAGAIN (no room now, or not connected yet), or the code PEER went down with.
	 */
	int (*send)(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
		    const void *payload);
	/* Hands what has arrived to the sink. Returns the number of events, 0 when idle. */
	int (*progress)(struct dvmi_tport *t);
	/*
	 * PEER has closed, or is DEAD: hands on what it had sent. 0 when that was all, -EAGAIN when
	 * there may be more; of a dead peer only what is here already counts.
	 */
	int (*drain)(struct dvmi_tport *t, uint32_t peer, bool dead);
	/*
	 * Before sleeping: puts the descriptors that will wake it into FDS (room for N). Their
	 * number; -EAGAIN when there is something to do already; -ENOTSUP when the sleep must be
	 * short because a wake-up may get lost. Undone by disarm in the two other cases.
	 */
	int (*arm)(struct dvmi_tport *t, struct pollfd *fds, int n);
	void (*disarm)(struct dvmi_tport *t);
	/*
	 * This rank leaves, nothing more will be sent: 0 when what was sent needs us no longer,
	 * -EAGAIN when progress is still needed.
	 */
	int (*flush)(struct dvmi_tport *t);
	void (*destroy)(struct dvmi_tport *t);
	/*
	 * The next packet from PEER without the sink, for a caller that may know at once where it
	 * belongs: 1, *PKT and *PAYLOAD, valid until progress, drain or took; 0 none can be had
	 * this way now. The packet stays until took is called; the next progress then leaves
	 * PEER out, so that what follows can be had the same way. Both NULL: not possible.
	 */
	int (*peek)(struct dvmi_tport *t, uint32_t peer, struct dvmi_pkt *pkt,
		    const void **payload);
	void (*took)(struct dvmi_tport *t, uint32_t peer);
	/*
	 * As send, with a payload that FILL writes at TO, where it lies from then on. FILL is
	 * called at most once, and only when the packet goes. NULL: not possible.
	 */
	int (*send_filled)(struct dvmi_tport *t, uint32_t peer, const struct dvmi_pkt *pkt,
			   void (*fill)(void *arg, void *to), void *arg);
	/*
	 * Copies between the memories of two processes, see split.h. All NULL: not possible.
	 * Addresses of the other side come from the other side; only its own memory is at stake.
	 *
	 * May we read and write the memory of PEER?
	 */
	bool (*reaches)(struct dvmi_tport *t, uint32_t peer);
	/* Copies LEN bytes from or to ADDR of PEER. 0, or -E… with any part of it copied. */
	int (*pull)(struct dvmi_tport *t, uint32_t peer, void *to, uint64_t addr, size_t len);
	int (*push)(struct dvmi_tport *t, uint32_t peer, uint64_t addr, const void *from,
		    size_t len);
	/*
	 * Slot number SLOT (below DVMI_TPORT_SPLITS) of messages from us to PEER (OUT), else of
	 * those from PEER to us. NULL: there is none.
	 */
	struct dvmi_split *(*split)(struct dvmi_tport *t, uint32_t peer, bool out, uint32_t slot);
};

#define DVMI_TPORT_SPLITS 64

struct dvmi_tport {
	const struct dvmi_tport_ops *ops;
	uint32_t packet_max; /* largest payload of one packet, bytes */
	uint32_t eager_max;  /* largest message worth sending before it is asked for, bytes */
	uint32_t copy_from;  /* the same where it can be copied from memory to memory; 0: no less */
	uint32_t chunk;	     /* good payload of a packet within a long message, bytes */
	struct dvmi_sink sink;
	bool naps; /* the descriptors of arm do not tell of everything: the first sleeps are short
		    */
};

static inline void dvmi_tport_destroy(struct dvmi_tport *t)
{
	if (t)
		t->ops->destroy(t);
}

#endif
