/* SPDX-License-Identifier: BSD-3-Clause */
/* The options of `dvm run`, `dvmrun` and `dvm submit`: tables, and nothing else. */
#include "daemon/cli/jobspec_private.h"

#define MAP_WORDS    "slot core node numa ppr:"
#define BIND_WORDS   "auto none core numa thread"
#define OUTPUT_WORDS "raw lines tag json dir="

/* A row a line reads better than a field a line. */
/* clang-format off */

/* Rows of several tables. */
#define OPT_ENV \
	{ ENV, 'x', "env", NULL, "VAR[=VALUE]", "The ranks' world", \
	  "set VAR for the ranks; the environment of this command goes to them anyway", NULL }
#define OPT_MPI \
	{ MPI, 0, "mpi", NULL, "auto|pmix|pmi|none", NULL, \
	  "how ranks of MPI find each other (default: auto, as the program's libraries tell)", \
	  "auto pmix pmi none" }
#define OPT_KEEP_GOING \
	{ KEEP_GOING, 0, "keep-going", NULL, NULL, NULL, \
	  "a rank that fails does not end the others", NULL }
#define OPT_QUIET \
	{ QUIET, 'q', "quiet", NULL, NULL, NULL, "no notes and warnings, only errors", NULL }
#define OPT_MAX \
	{ MOST_RANKS, 0, "max", NULL, "N", NULL, \
	  "the program may grow to N ranks while nobody waits for room; -n N-M says both", NULL }
/* The spelling of `dvm run` and `dvm submit`. */
#define PLACEMENT_OF_OURS \
	{ NODES, 'N', "nodes", NULL, "N", NULL, "spread them over N nodes", NULL }, \
	{ PER_NODE, 0, "per-node", "-ppn", "K", NULL, "K ranks on each node", NULL }, \
	{ MAP_BY, 0, "map-by", NULL, "HOW", NULL, \
	  "fill the nodes one by one (slot, core, numa), deal ranks out in turn (node), or put K " \
	  "on each node or NUMA domain (ppr:K:node, ppr:K:numa)", \
	  MAP_WORDS }, \
	{ BIND_TO, 0, "bind-to", NULL, "auto|none|core|numa|thread", NULL, \
	  "what each rank is bound to (default: what suits the placement)", BIND_WORDS }, \
	{ HOSTS, 'H', "host", NULL, "LIST", NULL, \
	  "nodes to use, with a number of slots where it is not their own: a,b:2,node[3-5]", \
	  "@node" }, \
	{ HOSTFILE, 0, "hostfile", NULL, "FILE", NULL, \
	  "the same from a file, one a line: NAME slots=N", "@file" }, \
	{ OVERSUBSCRIBE, 0, "oversubscribe", NULL, NULL, NULL, "allow more ranks than slots", \
	  NULL }

/* What the tables of run say in the same words. */
#define COMMON_PLACEMENT \
	{ EXCLUDE, 0, "exclude", NULL, "LIST", NULL, "nodes that are not to be used", "@node" }, \
	{ MEM_PER_RANK, 0, "mem-per-rank", NULL, "SIZE", NULL, \
	  "memory each rank is promised and limited to (512M, 2G)", NULL }, \
	{ CPU_LIMIT, 0, "cpu-limit", NULL, "CPUS", NULL, \
	  "processors' time each rank may use (0.5, 2)", NULL }, \
	{ CPU_SHARES, 0, "cpu-shares", NULL, "N", NULL, \
	  "weight of each rank where processors are short, 1 to 10000 (default: 100)", NULL }, \
	{ EXCLUSIVE, 0, "exclusive", NULL, NULL, NULL, \
	  "no other job on the nodes of this one", NULL }, \
	{ GRES, 0, "gres", NULL, "NAME[:COUNT],…", NULL, \
	  "so many of a generic resource of each node it uses (see dvm.conf(5))", NULL }, \
	{ RESERVATION, 0, "reservation", NULL, "R", NULL, \
	  "on the nodes of this reservation; see `dvm reserve`", NULL }, \
	{ ACCOUNT, 'A', "account", NULL, "NAME", NULL, \
	  "whom its use is charged to: fair share, `dvm history`", NULL }

#define COMMON_RUN \
	OPT_ENV, \
	{ WDIR, 0, "wdir", NULL, "DIR", NULL, \
	  "working directory of the ranks (default: the one here)", "@dir" }, \
	{ STDIN, 'i', "stdin", NULL, "none|0|all", NULL, \
	  "which ranks read this command's input (default: 0)", "none 0 all" }, \
	{ OUTPUT, 0, "output", NULL, "HOW", NULL, \
	  "raw, lines (whole lines), tag (lines behind \"[RANK] \"), json (an object a line) or " \
	  "dir=D (files D/rank.N.out and .err); default: raw to a terminal, else lines", \
	  OUTPUT_WORDS }, \
	OPT_MPI, \
	{ TIMEOUT, 0, "timeout", NULL, "TIME", "How it runs", \
	  "end the job after TIME (90, 10m, 1h30m); exit code 124", NULL }, \
	{ LAUNCH_TIMEOUT, 0, "launch-timeout", NULL, "TIME", NULL, \
	  "give up when the ranks do not run after TIME", NULL }, \
	OPT_KEEP_GOING, \
	{ NO_WAIT, 0, "no-wait", NULL, NULL, NULL, \
	  "fail at once where it would have to wait for room, or for those who came before", NULL }, \
	{ DETACH, 'd', "detach", NULL, NULL, NULL, \
	  "print the job's id and leave; see `dvm attach`, `dvm logs`, `dvm wait`", NULL }, \
	{ NAME, 0, "name", NULL, "NAME", NULL, "what the job is called in lists", NULL }, \
	{ DRY_RUN, 0, "dry-run", NULL, NULL, NULL, \
	  "show where the ranks would go, start nothing", NULL }, \
	{ REPORT_BINDINGS, 0, "report-bindings", NULL, NULL, NULL, \
	  "say on stderr where each rank goes and what it is bound to", NULL }, \
	OPT_QUIET

/* Spellings of mpirun and mpiexec that are understood everywhere and listed nowhere. */
#define UNLISTED(id, spellings, arg, words) { id, 0, NULL, spellings, arg, NULL, NULL, words }
#define COMMON_UNLISTED \
	UNLISTED(RANKS, "--np --n", "N", NULL), \
	UNLISTED(PER_NODE, "--ppn -npernode --npernode -perhost", "K", NULL), \
	UNLISTED(MAP_BY, "-map-by", "HOW", MAP_WORDS), \
	UNLISTED(BIND_TO, "-bind-to", "WHAT", BIND_WORDS), \
	UNLISTED(HOSTS, "--hosts -hosts", "LIST", "@node"), \
	UNLISTED(HOSTFILE, "-hostfile -machinefile --machinefile", "FILE", "@file"), \
	UNLISTED(OVERSUBSCRIBE, "-oversubscribe", NULL, NULL), \
	UNLISTED(NO_OVERSUBSCRIBE, "-nooversubscribe", NULL, NULL), \
	UNLISTED(WDIR, "-wdir -wd", "DIR", "@dir"), \
	UNLISTED(STDIN, "-stdin", "none|0|all", "none 0 all"), \
	UNLISTED(TIMEOUT, "-timeout", "TIME", NULL), \
	UNLISTED(DRY_RUN, "-dry-run --do-not-launch -do-not-launch", NULL, NULL), \
	UNLISTED(REPORT_BINDINGS, "-report-bindings", NULL, NULL), \
	UNLISTED(TAG_OUTPUT, "-tag-output", NULL, NULL), \
	UNLISTED(MCA, "-mca --gmca -gmca", "NAME VALUE", NULL), \
	UNLISTED(GENV, "-env", "NAME VALUE", NULL), \
	UNLISTED(NO_SLOTS, "--no-slots", NULL, NULL), \
	UNLISTED(BESIDE, "--beside", "JOB", NULL), \
	UNLISTED(SOLE, "--sole", NULL, NULL), \
	UNLISTED(GUEST, "--guest", NULL, NULL), \
	UNLISTED(IGNORED, "-allow-run-as-root -genvall -quiet", NULL, NULL)

const struct dvmi_opt cli_run_options[] = {
	{ RANKS, 'n', "ranks", "-np --min", "N", "Placement", "start N ranks (default: one a slot)",
	  NULL },
	OPT_MAX,
	PLACEMENT_OF_OURS,
	COMMON_PLACEMENT,
	COMMON_RUN,
	UNLISTED(HOSTS, "-host", "LIST", "@node"),
	UNLISTED(TAG_OUTPUT, "--tag-output", NULL, NULL),
	UNLISTED(NO_OVERSUBSCRIBE, "--nooversubscribe", NULL, NULL),
	UNLISTED(MCA, "--mca", "NAME VALUE", NULL),
	UNLISTED(GENV, "--genv -genv", "NAME VALUE", NULL),
	UNLISTED(IGNORED, "--allow-run-as-root", NULL, NULL),
	COMMON_UNLISTED,
	CLI_GENERAL_OPTIONS,
};

const struct dvmi_opt cli_dvmrun_options[] = {
	{ RANKS, 'n', "np", "-np -c", "N", "Placement", "start N ranks (default: one a slot)",
	  NULL },
	{ PER_NODE, 'N', "npernode", "-ppn", "K", NULL, "K ranks on each node", NULL },
	{ MAP_BY, 0, "map-by", NULL, "HOW", NULL,
	  "slot, core, node, numa, ppr:K:node or ppr:K:numa; :oversubscribe may follow",
	  MAP_WORDS },
	{ BIND_TO, 0, "bind-to", NULL, "none|core|numa|hwthread", NULL,
	  "what each rank is bound to", "none core numa hwthread socket" },
	{ HOSTS, 'H', "host", "-host", "LIST", NULL,
	  "nodes to use, with a number of slots where it is not their own: a,b:2", "@node" },
	{ HOSTFILE, 'f', "hostfile", NULL, "FILE", NULL,
	  "the same from a file, one a line: NAME slots=N", "@file" },
	{ OVERSUBSCRIBE, 0, "oversubscribe", NULL, NULL, NULL, "allow more ranks than slots",
	  NULL },
	{ NO_OVERSUBSCRIBE, 0, "nooversubscribe", NULL, NULL, NULL, "do not (the default)", NULL },
	{ NODES, 0, "nodes", NULL, "N", NULL, "spread the ranks over N nodes", NULL },
	COMMON_PLACEMENT,
	COMMON_RUN,
	{ TAG_OUTPUT, 'l', "tag-output", NULL, NULL, NULL, "the same as --output tag", NULL },
	{ MCA, 0, "mca", NULL, "NAME VALUE", "Taken for mpirun's sake",
	  "for ranks that are Open MPI programs: OMPI_MCA_NAME=VALUE in their environment", NULL },
	{ GENV, 0, "genv", "-genv", "NAME VALUE", NULL,
	  "as MPICH's mpiexec has it: the same as -x NAME=VALUE", NULL },
	{ IGNORED, 0, "allow-run-as-root", NULL, NULL, NULL, "accepted and without effect", NULL },
	UNLISTED(RANKS, "--ranks", "N", NULL),
	COMMON_UNLISTED,
	CLI_GENERAL_OPTIONS,
};

const struct dvmi_opt cli_submit_options[] = {
	{ RANKS, 'n', "ranks", "-np --np --n --min", "N", "Placement", "start N ranks (default: 1)", NULL },
	OPT_MAX,
	PLACEMENT_OF_OURS,
	COMMON_PLACEMENT,
	{ TIMEOUT, 't', "time", "--timeout", "TIME", "When",
	  "end the job when it has run for TIME (90, 10m, 1h30m); the less, the sooner it may fit in",
	  NULL },
	{ CLI_SUBMIT_AFTER, 0, "after", "--dependency", "JOB[:WHEN],…", NULL,
	  "not before JOB has ended (any), ended well (ok) or not (notok), or started", "@job" },
	{ CLI_SUBMIT_BEGIN, 0, "begin", NULL, "WHEN", NULL,
	  "not before WHEN: a time from now (10m), or 14:30 or 2027-01-31T14:30 here", NULL },
	{ CLI_SUBMIT_HOLD, 0, "hold", NULL, NULL, NULL, "not before `dvm release`", NULL },
	{ CLI_SUBMIT_PRIORITY, 0, "priority", NULL, "P", NULL,
	  "-1000 … 1000: before or behind others (default: 0)", NULL },
	{ CLI_SUBMIT_ARRAY, 'a', "array", NULL, "LIST[%K]", NULL,
	  "a job for each number of LIST (1-100, 1,3,7), at most K running at a time; it is in "
	  "$DVM_ARRAY_TASK",
	  NULL },
	{ TIER, 0, "tier", "--qos", "T", NULL,
	  "jobs of lower tiers may have to make room (default: 0); see queue_tiers in dvm.conf(5)",
	  NULL },
	{ REQUEUE, 0, "requeue", NULL, NULL, NULL,
	  "when a node is lost, wait and run again, as a new job", NULL },
	{ SIGNAL, 0, "signal", NULL, "SIG@TIME", NULL,
	  "send SIG to its ranks so long before --time is up (USR1@60)", NULL },
	OPT_ENV,
	{ WDIR, 0, "wdir", "--chdir", "DIR", NULL,
	  "working directory of the ranks (default: the one here)", "@dir" },
	OPT_MPI,
	OPT_KEEP_GOING,
	{ NAME, 0, "name", "--job-name", "NAME", NULL, "what the job is called in lists", NULL },
	{ CLI_SUBMIT_JSON, 0, "json", NULL, NULL, "Output", "print JSON", NULL },
	OPT_QUIET,
	CLI_GENERAL_OPTIONS,
};

/* clang-format on */
