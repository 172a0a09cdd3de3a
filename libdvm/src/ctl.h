/* SPDX-License-Identifier: BSD-3-Clause */
/* The session of a rank with its shepherd: libdvm/proto/rank.h over a socket. */
#ifndef DVMI_SRC_CTL_H
#define DVMI_SRC_CTL_H

#include <stddef.h>
#include <stdint.h>

#include "dvm/error.h"
#include "libdvm/proto/rank.h"

struct dvmi_ctl {
	int fd; /* -1: no shepherd, or it is gone */
};

/* What the shepherd's WELCOME brought; the descriptors are the caller's. */
struct dvmi_ctl_welcome {
	struct dvmi_rank_welcome w;
	int map_fd, rings_fd;
};

struct dvmi_ctl_packet {
	uint16_t type;
	uint32_t len; /* of body */
	int fd;	      /* that came along, -1: none; the reader's to close */
	uint8_t body[DVMI_RANK_PACKET_MAX];
};

/* Says HELLO at PATH and waits for the answer, at most TIMEOUT_MS. 0, or -E… explained in ERR. */
int dvmi_ctl_open(struct dvmi_ctl *c, const char *path, uint32_t rank, int timeout_ms,
		  struct dvmi_ctl_welcome *out, dvm_error_t *err);
void dvmi_ctl_close(struct dvmi_ctl *c);

/* Sends one packet with a body of two parts (HEAD may be NULL). 0, or -DVM_EPEERLOST. */
int dvmi_ctl_send(struct dvmi_ctl *c, uint16_t type, const void *head, size_t head_len,
		  const void *tail, size_t tail_len);

/* The same, passing FD along where that is > 0; it stays the caller's. */
int dvmi_ctl_send_fd(struct dvmi_ctl *c, uint16_t type, const void *head, size_t head_len,
		     const void *tail, size_t tail_len, int fd);

/* The next packet if one is there: 1, 0 none, -DVM_EPEERLOST (gone), -DVM_EPROTO (nonsense). */
int dvmi_ctl_read(struct dvmi_ctl *c, struct dvmi_ctl_packet *p);

#endif
