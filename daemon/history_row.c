/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdlib.h>

#include "daemon/history_row.h"
#include "libdvm/base/hostlist.h"
#include "libdvm/base/text.h"

#define COMMAND_MAX 4096 /* bytes of it that are kept */

const char *dvmd_history_state(Pb__JobHow how, int exit_code)
{
	static const char *const names[] = {
		[PB__JOB_HOW__HOW_DONE] = "done",	    [PB__JOB_HOW__HOW_FAILED] = "failed",
		[PB__JOB_HOW__HOW_CANCELLED] = "cancelled", [PB__JOB_HOW__HOW_TIMEOUT] = "timeout",
		[PB__JOB_HOW__HOW_LOST] = "lost",	    [PB__JOB_HOW__HOW_PREEMPTED] = "preempted",
		[PB__JOB_HOW__HOW_REQUEUED] = "requeued",
	};

	if ((unsigned)how < sizeof names / sizeof *names && names[how])
		return names[how];
	return exit_code ? "failed" : "done";
}

static int put_nodes(const Pb__JobRecord *r, struct dvmi_buf *b)
{
	const char **names = calloc(r->placement->n_nodes + 1, sizeof *names);

	for (size_t i = 0; names && i < r->placement->n_nodes; i++)
		names[i] = r->placement->nodes[i]->name;
	if (names)
		dvmi_hostlist_fold(names, r->placement->n_nodes, b);
	dvmi_buf_put_u8(b, 0);
	free(names);
	return names ? b->err : -1;
}

static void put_command(const Pb__JobRecord *r, struct dvmi_buf *b)
{
	dvmi_text_quote_argv(b, r->spec->argv, r->spec->n_argv);
	if (!b->err && b->len > COMMAND_MAX)
		b->len = COMMAND_MAX;
	dvmi_buf_put_u8(b, 0);
}

static void fill(Pb__HistoryRow *row, const Pb__JobRecord *r)
{
	row->job = r->id;
	row->restarts = r->restarts;
	row->name = r->spec->name;
	row->user = r->spec->user;
	row->account = r->spec->account;
	row->ranks = r->placement->ranks;
	row->submitted = r->submitted;
	row->started = r->started;
	row->array = r->spec->array;
	row->task = r->spec->task;
	row->parent = r->spec->parent_job;
}

Pb__HistoryRow *dvmd_history_row(const Pb__JobRecord *r, const Pb__JobChange *end, uint64_t wall)
{
	const Pb__JobUsage *u = end ? end->usage : r->usage;
	struct dvmi_buf nodes = { 0 }, command = { 0 };
	Pb__HistoryRow row = PB__HISTORY_ROW__INIT, *copy = NULL;

	fill(&row, r);
	row.ended = end ? wall : r->ended;
	row.exit_code = end ? end->exit_code : r->exit_code;
	row.reason = end ? end->reason : r->reason;
	row.cpu_ns = u ? u->cpu_ns : 0;
	row.rss_peak = u ? u->rss_peak : 0;
	row.signal = u ? u->signal : 0;
	row.state = (char *)dvmd_history_state(u ? u->how : PB__JOB_HOW__HOW_UNKNOWN, row.exit_code);
	put_command(r, &command);
	if (put_nodes(r, &nodes) == 0 && !command.err) {
		row.nodes = (char *)nodes.data;
		row.command = (char *)command.data;
		copy = dvmi_pb_dup(&row);
	}
	dvmi_buf_free(&nodes);
	dvmi_buf_free(&command);
	return copy;
}
