/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests of a virtqueue as bytes, for a device on another host: pure.
 *
 * A parcel is a request on its way to the device, or the answer on its way back. Parcels make a stream;
 * messages cut it anywhere. Bytes of another host are input: what is no parcel is refused, and so is
 * whatever comes after it.
 */
#ifndef VMM_PARCEL_H
#define VMM_PARCEL_H

#include "kvm-node/virtq.h"
#include "libdvm/base/buf.h"

enum vmm_parcel_flag {
	VMM_PARCEL_CARRIED = 1, /* the bytes of the first pieces are in it; else they are in RAM */
	VMM_PARCEL_MORE = 2,	/* an answer that is seen with the next one */
	VMM_PARCEL_FLAGS = 4,
};

enum {
	VMM_PARCEL_PIECES = VMM_CHAIN_MAX + 1,
	VMM_PARCEL_DATA = 2 << 20, /* bytes of a request, either way; what has more stays in RAM */
};

/* Where the guest has some bytes. Goes as it is, as does what follows. */
struct vmm_piece {
	uint64_t gpa;
	uint32_t len, zero;
};

struct vmm_parcel {
	uint32_t bytes; /* all of it: this, the pieces, the data */
	uint16_t head;
	uint8_t flags, zero;
	uint16_t nout, nin; /* pieces: those that have data here, those that are to be written */
	uint32_t written;   /* of an answer */
	struct vmm_piece piece[];
};

_Static_assert(sizeof(struct vmm_parcel) == 16 && sizeof(struct vmm_piece) == 16, "goes as it is");

/* A chain that was popped; CARRIED: with what the device is to read. */
void vmm_parcel_request(struct dvmi_buf *out, const struct vmm_chain *c, bool carried);
/* The data of P. */
const uint8_t *vmm_parcel_data(const struct vmm_parcel *p);
/* Its data goes where the pieces say, as far as that is RAM. */
void vmm_parcel_deliver(const struct vmm_parcel *p, const struct vmm_gmem *mem);

/* What has come of a stream; zeros at the beginning. */
struct vmm_parcels {
	struct vmm_parcel first; /* as much of the next one's beginning as there is */
	struct vmm_parcel *next; /* ... which is known by now */
	size_t have;
	bool bad;
};

/*
 * LEN bytes more: TAKE gets each parcel that is whole now, and frees it. -EBADMSG: it is no such
 * stream; -ENOMEM. Nothing more is taken after either.
 */
int vmm_parcels_feed(struct vmm_parcels *s, const void *bytes, size_t len,
		     void (*take)(void *arg, struct vmm_parcel *p), void *arg);
void vmm_parcels_clear(struct vmm_parcels *s);

#endif
