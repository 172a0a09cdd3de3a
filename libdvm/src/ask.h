/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Questions to the shepherd (libdvm/proto/rank.h), each with one answer. All under the handle's lock;
 * waiting releases it now and then and makes progress, as for messages.
 */
#ifndef DVMI_SRC_ASK_H
#define DVMI_SRC_ASK_H

#include <stdbool.h>

#include "libdvm/src/handle.h"

/* One question, in the asker's memory from start to done; then the answer. */
struct dvmi_ask {
	struct dvmi_ask *next;
	uint32_t id;
	bool done;
	int code; /* 0 or -E… */
	uint64_t job;
	uint32_t rank, count;
	int fd; /* that came along, the asker's to close; -1: none */
	uint32_t len;
	uint8_t bytes[DVMI_RANK_PACKET_MAX];
};

/* What is asked. HEAD begins with struct dvmi_rank_ask, whose `id` is filled in here. */
struct dvmi_question {
	uint16_t type;
	void *head;
	size_t head_len;
	const void *tail;
	size_t tail_len;
	int fd; /* passed along where it is > 0; stays the caller's */
};

/* Asks. 0; -ENOTCONN (no shepherd), -DVM_EPEERLOST, -EMSGSIZE: there will be no answer. */
int dvmi_ask_start(dvm_t *d, struct dvmi_ask *a, const struct dvmi_question *q);

/* Waits until A is done; its code, explained in ERR. A's descriptor is closed unless that is 0. */
int dvmi_ask_wait(dvm_t *d, struct dvmi_ask *a, dvm_error_t *err);

/* Both, under the lock, which is taken and released here. */
int dvmi_ask(dvm_t *d, struct dvmi_ask *a, const struct dvmi_question *q, dvm_error_t *err);

/* ANSWER from the shepherd; takes the packet's descriptor. */
void dvmi_ask_answered(dvm_t *d, struct dvmi_ctl_packet *p);
/* The shepherd is gone. */
void dvmi_asks_lost(dvm_t *d);

#endif
