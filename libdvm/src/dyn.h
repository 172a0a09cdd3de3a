/* SPDX-License-Identifier: BSD-3-Clause */
/* A handle's part in the machine: its job and parent, questions that wait, events that were not read. */
#ifndef DVMI_SRC_DYN_H
#define DVMI_SRC_DYN_H

#include <stddef.h>
#include <stdint.h>

#include "dvm/dynamic.h"
#include "libdvm/proto/rank.h"
#include "libdvm/src/ctl.h"

struct dvmi_ask; /* ask.h */
struct dvmi_event_node; /* event.c */

struct dvmi_dyn {
	uint64_t job, parent_job;
	uint32_t parent_rank;
	uint32_t node_id; /* of this node, as in the maps' node_id_of */
	struct dvmi_ask *asks;
	uint32_t last_ask;
	struct dvmi_event_node *events, **events_end;
	uint32_t n_events;
	bool missed;
};

/* EVENT from the shepherd. */
void dvmi_event_take(dvm_t *d, const struct dvmi_ctl_packet *p);
void dvmi_events_free(dvm_t *d);

#endif
