/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Messages of the vhost-user protocol, the side of the monitor: somebody else's process serves a
 * device's queues in the guest's memory. Packed here and understood here; pure.
 *
 * What comes back is input: its length, its flags, which question it answers and the ring it names
 * are looked at before anything of it is used.
 */
#ifndef VMM_VHOST_H
#define VMM_VHOST_H

#include <stddef.h>
#include <stdint.h>

enum {
	VMM_VHOST_HEADER = 12,
	VMM_VHOST_REGIONS = 8,
	VMM_VHOST_BODY = 8 + 32 * VMM_VHOST_REGIONS,
};

/* Bits of the device's features and of the protocol's. */
#define VMM_VHOST_F_PROTOCOL   (1ull << 30)
#define VMM_VHOST_P_REPLY_ACK  (1ull << 3)

enum vmm_vhost_request {
	VMM_VHOST_GET_FEATURES = 1,
	VMM_VHOST_SET_FEATURES = 2,
	VMM_VHOST_SET_OWNER = 3,
	VMM_VHOST_SET_MEM_TABLE = 5,
	VMM_VHOST_SET_VRING_NUM = 8,
	VMM_VHOST_SET_VRING_ADDR = 9,
	VMM_VHOST_SET_VRING_BASE = 10,
	VMM_VHOST_GET_VRING_BASE = 11,
	VMM_VHOST_SET_VRING_KICK = 12,
	VMM_VHOST_SET_VRING_CALL = 13,
	VMM_VHOST_GET_PROTOCOL_FEATURES = 15,
	VMM_VHOST_SET_PROTOCOL_FEATURES = 16,
	VMM_VHOST_SET_VRING_ENABLE = 18,
};

struct vmm_vhost_msg {
	uint32_t request, flags, size;
	uint8_t body[VMM_VHOST_BODY];
	int fds[VMM_VHOST_REGIONS]; /* that go with it; they stay the caller's */
	unsigned nfds;
};

/* A piece of guest memory: in the descriptor FD at OFFSET, mapped by us at USER. */
struct vmm_vhost_region {
	uint64_t gpa, len, user, offset;
	int fd;
};

void vmm_vhost_ask(struct vmm_vhost_msg *m, enum vmm_vhost_request request);
void vmm_vhost_u64(struct vmm_vhost_msg *m, enum vmm_vhost_request request, uint64_t value);
void vmm_vhost_ring(struct vmm_vhost_msg *m, enum vmm_vhost_request request, uint32_t ring,
		    uint32_t num);
/* Addresses as we have them mapped. */
void vmm_vhost_ring_addr(struct vmm_vhost_msg *m, uint32_t ring, uint64_t desc, uint64_t avail,
			 uint64_t used);
void vmm_vhost_ring_fd(struct vmm_vhost_msg *m, enum vmm_vhost_request request, uint32_t ring,
		       int fd);
/* -E2BIG: more regions than a message holds. */
int vmm_vhost_memory(struct vmm_vhost_msg *m, const struct vmm_vhost_region *r, unsigned n);
/* With VMM_VHOST_P_REPLY_ACK agreed on: M is to be answered by 0 or an error. */
void vmm_vhost_want_reply(struct vmm_vhost_msg *m);

/* The first VMM_VHOST_HEADER bytes on the wire; the body follows as it is. */
void vmm_vhost_header(const struct vmm_vhost_msg *m, uint8_t to[VMM_VHOST_HEADER]);

/* What has come so far, in the order it came. */
struct vmm_vhost_inbox {
	uint8_t data[VMM_VHOST_HEADER + VMM_VHOST_BODY];
	size_t len;
};

/* 1: *M is the next answer; 0: not all of it is here; -EPROTO: that is no answer. */
int vmm_vhost_next(struct vmm_vhost_inbox *in, struct vmm_vhost_msg *m);

/* What M says to a question; -EPROTO if that is not what it answers, or not like that. */
int vmm_vhost_answer_u64(const struct vmm_vhost_msg *m, enum vmm_vhost_request to, uint64_t *value);
int vmm_vhost_answer_ring(const struct vmm_vhost_msg *m, enum vmm_vhost_request to, uint32_t nrings,
			  uint32_t *ring, uint32_t *num);

#endif
