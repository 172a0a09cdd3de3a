/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Segments of jobs, as the ranks on this host show them: files in the directories of their jobs
 * (struct dvmi_rank_seg). They are users' files: sizes and strings are checked, the rest is printed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cli/commands.h"
#include "daemon/cli/local.h"
#include "daemon/cli/show.h"
#include "daemon/paths.h"
#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/base/text.h"
#include "libdvm/proto/rank.h"

static const struct dvmi_opt options[] = {
	{ 1, 0, "json", NULL, NULL, "Output", "print JSON", NULL },
	CLI_GENERAL_OPTIONS,
};

struct shown {
	uint64_t job;
	char node[DVMD_NAME_MAX + 1];
	char path[1024]; /* of its file */
	struct dvmi_rank_seg s;
};

struct list {
	struct shown *v;
	size_t n, cap;
};

/* In the order of dvmi_rank_seg.figures. */
static const char *const figures[DVMI_RANK_SEG_FIGURES] = {
	"read_faults", "write_faults", "local_faults", "messages",	"message_bytes",
	"units_sent",  "units_got",    "elided_zero",  "elided_same",	"diffs",
	"diff_bytes",  "prefetched",   "prefetch_used", "batches",	"held",
	"evicted",     "lost",	       "resident",     "writable",	"fault_ns",
	"fault_ns_max",
};

enum { READ_FAULTS = 0, WRITE_FAULTS = 1, MESSAGES = 3, SENT = 5, GOT = 6, LOST = 16, RESIDENT = 17 };

/* ---- what there is ---- */

static bool read_one(int dir, const char *name, struct dvmi_rank_seg *s)
{
	cleanup_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 || pread(fd, s, sizeof *s, 0) != sizeof *s || s->magic != DVMI_RANK_SEG_MAGIC)
		return false;
	s->name[sizeof s->name - 1] = '\0';
	for (char *c = s->name; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = '?';
	if (s->ended)
		return false;
	/* Of a process that is gone the file may be left for a while. */
	return kill((pid_t)s->pid, 0) == 0 || errno == EPERM;
}

static int append(struct list *l, const struct shown *one)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;
		struct shown *v = realloc(l->v, cap * sizeof *v);
		if (!v)
			return -ENOMEM;
		l->v = v;
		l->cap = cap;
	}
	l->v[l->n++] = *one;
	return 0;
}

static int read_job(struct list *l, const char *jobs, const struct dvmd_present *node, uint64_t job)
{
	struct shown one = { .job = job };
	char path[1024];
	struct dirent *e;
	int rc = 0;

	snprintf(path, sizeof path, "%s/%" PRIu64, jobs, job);
	snprintf(one.node, sizeof one.node, "%s", node->node);
	cleanup_dir DIR *dir = opendir(path);
	while (dir && rc == 0 && (e = readdir(dir))) {
		int len = snprintf(one.path, sizeof one.path, "%s/%s", path, e->d_name);
		if (strncmp(e->d_name, "segment-", 8) == 0 && len < (int)sizeof one.path &&
		    read_one(dirfd(dir), e->d_name, &one.s))
			rc = append(l, &one);
	}
	return rc;
}

/* Of job ONLY, or of all (0). Other users' directories do not open. */
static int read_node(struct list *l, const struct dvmd_present *node, uint64_t only)
{
	char jobs[512];
	struct dirent *e;
	int rc = 0;

	snprintf(jobs, sizeof jobs, "%s/jobs", node->run);
	cleanup_dir DIR *dir = opendir(jobs);
	while (dir && rc == 0 && (e = readdir(dir))) {
		char *end;
		uint64_t job = strtoull(e->d_name, &end, 10);
		if (!*end && job && (!only || job == only))
			rc = read_job(l, jobs, node, job);
	}
	return rc;
}

static int by_place(const void *a, const void *b)
{
	const struct shown *x = a, *y = b;

	if (x->job != y->job)
		return x->job < y->job ? -1 : 1;
	if (x->s.id != y->s.id)
		return x->s.id < y->s.id ? -1 : 1;
	return x->s.rank < y->s.rank ? -1 : x->s.rank > y->s.rank;
}

static int read_all(struct cli *c, struct list *l, uint64_t only, dvm_error_t *err)
{
	cleanup_free struct dvmd_present *nodes = NULL;
	size_t n = 0;
	int rc = dvmd_paths_list(&nodes, &n, c->machine, err);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n && rc >= 0; i++)
		rc = read_node(l, &nodes[i], only);
	if (rc < 0)
		return dvmi_error_code(err, rc, "reading segments");
	if (l->n)
		qsort(l->v, l->n, sizeof *l->v, by_place);
	return 0;
}

/* ---- printing ---- */

static const char *kind_of(const struct dvmi_rank_seg *s)
{
	static const char *const kinds[] = { "sequential", "release", "read-mostly" };

	return s->plain ? "plain" : s->consistency < 3 ? kinds[s->consistency] : "?";
}

static void add_common(struct cli_table *t, const struct shown *o)
{
	cli_table_add(t, "%" PRIu64, o->job);
	cli_table_add(t, "%u", o->s.id);
	cli_table_add(t, "%s", o->s.name[0] ? o->s.name : "-");
}

static void list_row(struct cli_table *t, const struct shown *o)
{
	char size[DVMI_TEXT_UNIT_MAX], unit[DVMI_TEXT_UNIT_MAX];

	add_common(t, o);
	cli_table_add(t, "%s", dvmi_text_size_format(o->s.bytes, size));
	cli_table_add(t, "%s", dvmi_text_size_format(o->s.unit, unit));
	cli_table_add(t, "%u", o->s.ranks);
	cli_table_add(t, "%s", kind_of(&o->s));
}

static void stat_row(struct cli_table *t, const struct shown *o)
{
	static const int shown[] = { RESIDENT, READ_FAULTS, WRITE_FAULTS, MESSAGES, SENT, GOT, LOST };

	add_common(t, o);
	cli_table_add(t, "%u", o->s.rank);
	cli_table_add(t, "%s", o->node);
	for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
		cli_table_add(t, "%" PRIu64, o->s.figures[shown[i]]);
}

static int print_table(const struct list *l, bool stat)
{
	struct cli_table t = { .columns = stat ? 12 : 7, .right = stat ? 0xfe3 + 0x8 : 0x3b };

	cli_table_heading(&t, stat ? "JOB SEGMENT NAME RANK NODE RESIDENT READ WRITE MESSAGES SENT "
				     "GOT LOST"
				   : "JOB SEGMENT NAME SIZE UNIT RANKS KIND");
	for (size_t i = 0; i < l->n; i++) {
		bool same = i && l->v[i].job == l->v[i - 1].job && l->v[i].s.id == l->v[i - 1].s.id;
		if (stat)
			stat_row(&t, &l->v[i]);
		else if (!same)
			list_row(&t, &l->v[i]);
	}
	int rc = cli_table_print(&t, stdout);
	cli_table_free(&t);
	return rc;
}

static json_t *one_json(const struct shown *o)
{
	json_t *f = json_object();

	for (int i = 0; i < DVMI_RANK_SEG_FIGURES; i++)
		json_object_set_new(f, figures[i], json_integer((json_int_t)o->s.figures[i]));
	return json_pack("{s:I, s:I, s:o, s:i, s:i, s:o, s:I, s:I, s:s, s:o}", "job",
			 (json_int_t)o->job, "segment", (json_int_t)o->s.id, "name",
			 cli_json_string(o->s.name), "rank", (int)o->s.rank, "ranks",
			 (int)o->s.ranks, "node", cli_json_string(o->node), "bytes",
			 (json_int_t)o->s.bytes, "unit", (json_int_t)o->s.unit, "kind",
			 kind_of(&o->s), "figures", f);
}

static int print_json(const struct list *l)
{
	json_t *all = json_array();

	for (size_t i = 0; i < l->n; i++)
		json_array_append_new(all, one_json(&l->v[i]));
	return cli_json_print(json_pack("{s:o}", "segments", all));
}

/* ---- ending ---- */

#define END_WITHIN 10000 /* ms */

/* WHAT is the number of a segment or its name. */
static bool is_meant(const struct dvmi_rank_seg *s, const char *what)
{
	char *end;
	unsigned long id = strtoul(what, &end, 10);

	return strcmp(s->name, what) == 0 || (*what && !*end && id == s->id);
}

/* Its rank looks there now and then. */
static int ask_to_end(const struct shown *o, dvm_error_t *err)
{
	uint32_t yes = 1;
	cleanup_fd int fd = open(o->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (o->s.plain)
		return dvmi_error_set(err, -ENOTSUP, "all ranks of segment %u of job %" PRIu64
				      " share the memory of one node: it ends with its job", o->s.id,
				      o->job);
	if (fd < 0 || pwrite(fd, &yes, sizeof yes, offsetof(struct dvmi_rank_seg, end)) < 0)
		return dvmi_error_code(err, -errno, "cannot reach segment %u of job %" PRIu64,
				       o->s.id, o->job);
	return 0;
}

/* How many of what is meant are there; all of them are asked. */
static int ask_all(const struct list *l, const char *what, dvm_error_t *err)
{
	int n = 0, rc = 0;

	for (size_t i = 0; i < l->n && rc == 0; i++)
		if (is_meant(&l->v[i].s, what)) {
			rc = ask_to_end(&l->v[i], err);
			n++;
		}
	return rc < 0 ? rc : n;
}

static int end_one(struct cli *c, uint64_t job, const char *what, dvm_error_t *err)
{
	static const struct timespec nap = { .tv_nsec = 20000000 };

	for (int ms = 0; ms < END_WITHIN; ms += 20) {
		struct list l = { 0 };
		int n = read_all(c, &l, job, err);
		if (n == 0)
			n = ask_all(&l, what, err);
		free(l.v);
		if (n == 0 && ms == 0)
			return dvmi_error_set(err, -ENOENT, "job %" PRIu64 " has no segment %s here",
					      job, what);
		if (n <= 0)
			return n;
		nanosleep(&nap, NULL);
	}
	return dvmi_error_set(err, -ETIMEDOUT, "segment %s of job %" PRIu64 " does not end", what, job);
}

/* ---- */

enum verb { LIST, STAT, DESTROY };

struct order {
	enum verb verb;
	uint64_t job;
	const char *what; /* DESTROY: which segment */
};

static int set(struct dvmi_opt_parser *p, int id, void *arg, dvm_error_t *err)
{
	*(bool *)arg = true;
	return 0;
}

static int understand(const struct dvmi_opt_parser *p, struct order *o, dvm_error_t *err)
{
	static const char *const verbs[] = { "list", "stat", "destroy" };
	const char *verb = p->n_operands ? p->operands[0] : "list";
	char *end;

	while (o->verb <= DESTROY && strcmp(verb, verbs[o->verb]) != 0)
		o->verb++;
	if (o->verb > DESTROY)
		return dvmi_error_set(err, -EINVAL, "expected list, stat or destroy, not %s", verb);
	if (p->n_operands != 3 && (o->verb == DESTROY || p->n_operands > 2))
		return dvmi_error_set(err, -EINVAL, o->verb == DESTROY
			? "expected a job and the name or number of its segment"
			: "expected one job at most");
	if (p->n_operands < 2)
		return 0;
	o->what = p->n_operands == 3 ? p->operands[2] : NULL;
	o->job = strtoull(p->operands[1], &end, 10);
	if (*end || !o->job)
		return dvmi_error_set(err, -EINVAL, "%s is not a job", p->operands[1]);
	return 0;
}

static int show(struct cli *c, const struct order *o, bool json, dvm_error_t *err)
{
	struct list l = { 0 };
	int rc = read_all(c, &l, o->job, err);

	if (rc == 0 && (json ? print_json(&l) : print_table(&l, o->verb == STAT)) < 0)
		rc = dvmi_error_code(err, -EIO, "printing");
	free(l.v);
	return rc;
}

static int run(struct cli *c, const struct cli_command *cmd, int argc, char **argv)
{
	struct dvmi_opt_parser p;
	struct order o = { .verb = LIST };
	bool json = false;
	dvm_error_t err;
	int rc = cli_options(c, cmd, argc, argv, &p, set, &json);

	if (rc != CLI_GO)
		return rc;
	rc = understand(&p, &o, &err);
	if (rc == 0)
		rc = o.verb == DESTROY ? end_one(c, o.job, o.what, &err)
				       : show(c, &o, json, &err);
	return rc < 0 ? cli_fail(c, &err) : 0;
}

const struct cli_command cli_cmd_seg = {
	.opt = { .name = "dvm seg",
		 .operands = "[list | stat] [JOB] | destroy JOB SEGMENT",
		 .brief = "show the shared memory of jobs on this host: segments, or their figures; "
			  "or end a segment",
		 .options = options,
		 .max_operands = 3 },
	.family = "Jobs",
	.run = run,
};
