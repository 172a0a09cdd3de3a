/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/conn.h"
#include "daemon/cli/show.h"
#include "libdvm/base/clock.h"
#include "libdvm/base/text.h"

static const struct dvmi_opt options[] = {
	{ 1, 0, "json", NULL, NULL, "Output", "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

/* A node that new jobs stay away from has drained when none runs there any more. */
static const char *state_of(const Pb__NodeInfo *n)
{
	if (!n->draining || strcmp(n->state, "up") != 0)
		return n->state;
	return n->slots_used ? "draining" : "drained";
}

static const char *kvm_of(const Pb__NodeInfo *n)
{
	if (n->kvm == PB__KVM__KVM_USABLE)
		return "yes";
	return n->kvm == PB__KVM__KVM_LACKING ? "no" : "-";
}

/* Columns for when they are needed. */
struct extra {
	bool kvm, why;
};

/* Load and free memory are the host's; a node that has just come back has not told them yet. */
static void add_row(struct cli_table *t, const Pb__NodeInfo *n, uint64_t now, struct extra extra)
{
	char total[DVMI_TEXT_UNIT_MAX], avail[DVMI_TEXT_UNIT_MAX], since[CLI_TIME_MAX];
	bool up = strcmp(n->state, "down") != 0, heard = up && n->mem_free;
	uint64_t free_here = n->mem_free < n->mem_total ? n->mem_free : n->mem_total;

	cli_table_add(t, "%s%s", n->name, n->leader ? "*" : "");
	cli_table_add(t, "%s", state_of(n));
	cli_table_add(t, "%s", n->address);
	cli_table_add(t, "%u", n->slots);
	cli_table_add(t, up ? "%u" : "-", n->slots_used);
	cli_table_add(t, "%u", n->cores);
	cli_table_add(t, "%s", dvmi_text_size_format(n->mem_total, total));
	cli_table_add(t, "%s", heard ? dvmi_text_size_format(free_here, avail) : "-");
	cli_table_add(t, heard ? "%.2f" : "-", n->load_100 / 100.0);
	cli_table_add(t, "%s", cli_time_ago(n->since, now, since));
	cli_table_add(t, "%s", *n->version ? n->version : "-");
	if (extra.kvm)
		cli_table_add(t, "%s", kvm_of(n));
	if (extra.why)
		cli_table_add(t, "%s", *n->drain_why ? n->drain_why : "-");
}

static void print_summary(const Pb__NodesReply *r)
{
	unsigned up = 0, suspect = 0, slots = 0, used = 0, draining = 0;

	for (size_t i = 0; i < r->n_nodes; i++) {
		const Pb__NodeInfo *n = r->nodes[i];

		if (!strcmp(n->state, "down"))
			continue;
		up++;
		draining += n->draining;
		suspect += !strcmp(n->state, "suspect");
		slots += n->slots;
		used += n->slots_used;
	}
	printf("machine %s: %zu node%s, %u up", r->machine, r->n_nodes, r->n_nodes == 1 ? "" : "s",
	       up);
	if (suspect)
		printf(" (%u suspected dead)", suspect);
	if (draining)
		printf(", %u draining", draining);
	if (up < r->n_nodes)
		printf(", %zu down", r->n_nodes - up);
	printf("; %u of %u slots used; * leads\n", used, slots);
}

static int print_table(const Pb__NodesReply *r)
{
	uint64_t now = dvmi_clock_wall();
	struct extra extra = { 0 };
	char heading[96];

	for (size_t i = 0; i < r->n_nodes; i++) {
		extra.kvm |= r->nodes[i]->kvm == PB__KVM__KVM_LACKING;
		extra.why |= r->nodes[i]->draining;
	}
	struct cli_table t = { .columns = 11u + extra.kvm + extra.why, .right = 0x1f8 };
	snprintf(heading, sizeof heading,
		 "NAME STATE ADDRESS SLOTS USED CORES MEMORY FREE LOAD SINCE VERSION%s%s",
		 extra.kvm ? " KVM" : "", extra.why ? " WHY" : "");
	cli_table_heading(&t, heading);
	for (size_t i = 0; i < r->n_nodes; i++)
		add_row(&t, r->nodes[i], now, extra);
	int rc = cli_table_print(&t, stdout);
	cli_table_free(&t);
	/* For people only: a script that counts lines counts nodes. */
	if (rc == 0 && isatty(STDOUT_FILENO))
		print_summary(r);
	return rc;
}

static json_t *drain_json(const Pb__NodeInfo *n)
{
	if (!n->draining)
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "why", cli_json_string(n->drain_why), "by",
			 cli_json_string(n->drained_by), "since", cli_json_time(n->drained));
}

static json_t *kvm_json(const Pb__NodeInfo *n)
{
	return n->kvm == PB__KVM__KVM_UNKNOWN ? json_null() :
						json_boolean(n->kvm == PB__KVM__KVM_USABLE);
}

static json_t *node_json(const Pb__NodeInfo *n)
{
	json_t *o = json_pack(
		"{s:i, s:o, s:o, s:o, s:i, s:o, s:o, s:b, s:b, s:i, s:i, s:i, s:I, s:I, s:f, s:o}",
		"id", (int)n->id, "name", cli_json_string(n->name), "state",
		cli_json_string(n->state), "address", cli_json_string(n->address), "port",
		(int)n->port, "version", cli_json_string(n->version), "host",
		cli_json_string(n->host), "leader", n->leader, "self", n->self, "cores",
		(int)n->cores, "slots", (int)n->slots, "slots_used", (int)n->slots_used,
		"memory_total", (json_int_t)n->mem_total, "memory_free", (json_int_t)n->mem_free,
		"load", n->load_100 / 100.0, "since", cli_json_time(n->since));

	json_object_set_new(o, "drain", drain_json(n));
	json_object_set_new(o, "kvm", kvm_json(n));
	json_object_set_new(o, "kvm_why",
			    *n->kvm_why ? cli_json_string(n->kvm_why) : json_null());
	return o;
}

static int print_json(const Pb__NodesReply *r)
{
	json_t *nodes = json_array();

	for (size_t i = 0; i < r->n_nodes; i++)
		json_array_append_new(nodes, node_json(r->nodes[i]));
	return cli_json_print(json_pack("{s:o, s:I, s:o}", "machine", cli_json_string(r->machine),
					"view", (json_int_t)r->view, "nodes", nodes));
}

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	*(bool *)arg = true;
	return 0;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	bool json = false;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &json);

	if (rc != CLI_GO)
		return rc;
	cleanup_pb Pb__NodesReply *r = NULL;
	if (cli_ask(c, DVMI_MSG_NODES, NULL, &pb__nodes_reply__descriptor, &r, &err) < 0)
		return cli_fail(c, &err);
	rc = json ? print_json(r) : print_table(r);
	return rc < 0 ? cli_failf(c, "%s", dvm_strerror(rc)) : 0;
}

const struct cli_command cli_cmd_nodes = {
	.opt = { .name = "dvm nodes",
		 .brief = "list the nodes of the machine",
		 .text = "SINCE is how long a node has been in its STATE: up, suspect (it does not "
			 "answer and is being asked for) or down; draining (see `dvm drain`) while jobs "
			 "are still running there, then drained. A star marks the leader. KVM says "
			 "whether guests can run there, where some node has none.",
		 .options = options },
	.family = "The machine",
	.run = run,
};
