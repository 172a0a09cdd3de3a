/* SPDX-License-Identifier: BSD-3-Clause */
/* PMIx events between the servers of a job's nodes, and ranks that have failed while others go on. */
#include <string.h>

#include "daemon/shepherd/mpi_private.h"
#include "libdvm/proto/msgtype.h"

/* A rank here notifies: to the other nodes. */
void shep_mpi_event(struct shep_mpi *m, const Pb__PmixEvent *e)
{
	Pb__PeerMessage msg = PB__PEER_MESSAGE__INIT;
	Pb__Exchange x = PB__EXCHANGE__INIT;
	struct dvmi_buf b = { 0 };

	dvmi_pb_pack(&b, e);
	x.data = (ProtobufCBinaryData){ .len = b.len, .data = b.data };
	msg.kind = PB__PEER_MESSAGE__KIND__NOTIFY;
	msg.exchange = &x;
	if (!b.err && m->c.launch->placement->n_nodes > 1)
		shep_mpi_send_to(m, 0, 0, &msg);
	dvmi_buf_free(&b);
}

void shep_mpi_event_message(struct shep_mpi *m, const Pb__PeerMessage *msg)
{
	cleanup_pb Pb__PmixEvent *e = NULL;
	const Pb__Exchange *x = msg->exchange;

	if (msg->from_job || !x ||
	    dvmi_pb_unpack(&pb__pmix_event__descriptor, x->data.data, x->data.len, &e) < 0)
		return;
	e->ended = false; /* what has ended we hear from its shepherd */
	if (shep_mpi_place_of(m->c.launch->placement, e->rank) >= 0)
		shep_mpi_pmix_say(m, DVMI_MSG_PMIX_EVENT, e);
}

void shep_mpi_rank_failed(struct shep_mpi *m, uint32_t rank, int32_t status)
{
	Pb__PmixEvent e = PB__PMIX_EVENT__INIT;

	if (!m->c.launch->spec->keep_going || status == 0)
		return; /* all end, or it was no failure */
	e.ended = true;
	e.rank = rank;
	e.code = status;
	shep_mpi_pmix_say(m, DVMI_MSG_PMIX_EVENT, &e);
}
