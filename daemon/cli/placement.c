/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>

#include "daemon/cli/placement.h"
#include "daemon/cli/show.h"
#include "libdvm/base/idset.h"

static int ranks_text(const Pb__NodeShare *s, struct dvmi_buf *b)
{
	struct dvmi_idset set = { 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < s->n_ranks; i++)
		rc = dvmi_idset_add(&set, s->ranks[i], s->ranks[i]);
	dvmi_idset_format(&set, b);
	dvmi_buf_put_u8(b, 0);
	dvmi_idset_free(&set);
	return rc < 0 ? rc : b->err;
}

int cli_placement_print_map(const Pb__Placement *p, FILE *f)
{
	struct cli_table t = { .columns = 3, .right = 2 };
	int rc = 0;

	cli_table_heading(&t, "NODE COUNT RANKS");
	for (size_t i = 0; rc == 0 && i < p->n_nodes; i++) {
		struct dvmi_buf b = { 0 };

		rc = ranks_text(p->nodes[i], &b);
		cli_table_add(&t, "%s", p->nodes[i]->name);
		cli_table_add(&t, "%zu", p->nodes[i]->n_ranks);
		cli_table_add(&t, "%s", rc == 0 ? (char *)b.data : "?");
		dvmi_buf_free(&b);
	}
	if (rc == 0)
		rc = cli_table_print(&t, f);
	cli_table_free(&t);
	return rc;
}

static json_t *share_json(const Pb__NodeShare *s)
{
	json_t *ranks = json_array();

	for (size_t i = 0; i < s->n_ranks; i++)
		json_array_append_new(ranks, json_integer(s->ranks[i]));
	return json_pack("{s:o, s:o, s:o, s:o}", "node", cli_json_string(s->name), "address",
			 cli_json_string(s->address), "ranks", ranks, "cpus",
			 cli_json_strings(s->cpus, s->n_cpus));
}

json_t *cli_placement_json(const Pb__Placement *p)
{
	json_t *nodes = json_array();

	for (size_t i = 0; i < p->n_nodes; i++)
		json_array_append_new(nodes, share_json(p->nodes[i]));
	return json_pack("{s:I, s:o, s:o}", "ranks", (json_int_t)p->ranks, "nodes", nodes, "notes",
			 cli_json_strings(p->notes, p->n_notes));
}
