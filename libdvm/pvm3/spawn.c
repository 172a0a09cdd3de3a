/* SPDX-License-Identifier: BSD-3-Clause */
/* pvm_spawn(), and what children find in their environment. */
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/manager.h"
#include "libdvm/pvm3/trace.h"

#define EXPORT "PVM_EXPORT" /* names of variables, with colons between them */

static void put_where(struct dvmi_buf *b, const struct pvmi_where *w)
{
	dvmi_buf_put_u32(b, (uint32_t)w->tid);
	dvmi_buf_put_u32(b, (uint32_t)w->tag);
	dvmi_buf_put_u32(b, (uint32_t)w->ctx);
}

static void put_args(struct dvmi_buf *b, char **argv)
{
	uint32_t n = 0;

	while (argv && argv[n])
		n++;
	dvmi_buf_put_u32(b, n);
	for (uint32_t i = 0; i < n; i++)
		dvmi_buf_put_str(b, argv[i]);
}

static void put_variable(struct dvmi_buf *b, const char *name, const char *value)
{
	char *text;

	if (asprintf(&text, "%s=%s", name, value) < 0) {
		b->err = -1;
		return;
	}
	dvmi_buf_put_str(b, text);
	free(text);
}

/* The next name of LIST, which is moved on; NULL at the end. */
static char *next_name(const char **list)
{
	while (**list == ':')
		(*list)++;
	if (!**list)
		return NULL;
	size_t n = strcspn(*list, ":");
	char *name = strndup(*list, n);
	*list += n;
	return name;
}

static uint32_t put_exports(struct dvmi_buf *b)
{
	const char *list = getenv(EXPORT), *all = list;
	uint32_t n = 0;
	char *name;

	while (list && (name = next_name(&list))) {
		const char *value = getenv(name);
		if (value) {
			put_variable(b, name, value);
			n++;
		}
		free(name);
	}
	if (all) {
		put_variable(b, EXPORT, all);
		n++;
	}
	return n;
}

/* Where programs are looked for beside PVM's own places: what our user has set, and next to us. */
static uint32_t put_places(struct dvmi_buf *b)
{
	static const char *const names[] = { "PVM_PATH", "PVM_ROOT", "PVM_ARCH", "PVM_DEBUGGER",
					     "HOME",	 "PATH" };
	char path[PATH_MAX], here[PATH_MAX], near[2 * PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
	uint32_t n = 0;

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (getenv(names[i])) {
			put_variable(b, names[i], getenv(names[i]));
			n++;
		}
	if (len <= 0)
		return n;
	path[len] = 0;
	snprintf(near, sizeof near, "%s:%s", dirname(path), getcwd(here, sizeof here) ? here : "");
	put_variable(b, PVMI_ENV_NEAR, near);
	return n + 1;
}

static void put_environment(struct dvmi_buf *b, int flags)
{
	struct dvmi_buf vars = { 0 };
	uint32_t n = put_places(&vars) + put_exports(&vars);

	char trace[128];

	if (pvmi_trace_for_children(trace, sizeof trace)) {
		put_variable(&vars, PVMI_ENV_TRACE, trace);
		n++;
	}
	if (flags & PvmTaskDebug) {
		put_variable(&vars, PVMI_ENV_DEBUG, "1");
		n++;
	}

	dvmi_buf_put_u32(b, n);
	dvmi_buf_put(b, vars.data, vars.len);
	b->err = b->err ? b->err : vars.err;
	dvmi_buf_free(&vars);
}

/* Where tasks begin: what is behind the colon of WHERE, seen from where the host has them begin. */
static void put_directory(struct dvmi_buf *b, const char *where)
{
	const char *colon = strchr(where, ':');

	dvmi_buf_put_str(b, colon ? colon + 1 : "");
}

static void put_request(struct dvmi_buf *b, const char *task, char **argv, int flags,
			const char *where, int n)
{
	where = where ? where : "";
	dvmi_buf_put_u32(b, (uint32_t)flags);
	dvmi_buf_put_blob(b, where, (uint32_t)strcspn(where, ":"));
	dvmi_buf_put_u32(b, (uint32_t)n);
	dvmi_buf_put_str(b, task);
	put_directory(b, where);
	put_args(b, argv);
	put_environment(b, flags);
	put_where(b, &pvmi.out);
	put_where(b, &pvmi.trace);
	dvmi_buf_put_u32(b, (uint32_t)pvmi.ctx);
}

/* Ids and ranks, or codes. How many there are of the former. */
static int take_tids(const struct dvmi_buf *body, int n, int *tids)
{
	struct dvmi_reader r;
	int started = 0;

	dvmi_reader_init(&r, body->data, body->len);
	if (dvmi_get_u32(&r) != (uint32_t)n)
		return PvmBadMsg;
	for (int i = 0; i < n; i++) {
		int tid = (int)dvmi_get_u32(&r), rank = (int)dvmi_get_u32(&r);
		if (r.err)
			return PvmBadMsg;
		if (tid > 0)
			pvmi_peer_set(tid, rank);
		started += tid > 0;
		if (tids)
			tids[i] = tid;
	}
	return started;
}

/* ---- by the resource manager ---- */

static void pack_where(struct pvmi_msg *m, const struct pvmi_where *w)
{
	pvmi_put_int(m, w->tid);
	pvmi_put_int(m, w->ctx);
	pvmi_put_int(m, w->tag);
}

/* What was put as the service reads it, as PVM packs it. */
static void pack_environment(struct pvmi_msg *m, int flags)
{
	struct dvmi_buf b = { 0 };
	struct dvmi_reader r;

	put_environment(&b, flags);
	dvmi_reader_init(&r, b.data, b.len);
	uint32_t n = dvmi_get_u32(&r);
	pvmi_put_int(m, (int)n);
	for (uint32_t i = 0; i < n; i++) {
		char *text = dvmi_get_str(&r, PVMI_FRAME_MAX);
		pvmi_pack_str(m, text ? text : "");
		free(text);
	}
	dvmi_buf_free(&b);
}

static struct pvmi_msg *pack_request(const char *task, char **argv, int flags, const char *where,
				     int n)
{
	struct pvmi_msg *m = pvmi_manager_body();
	int argc = 0;

	while (argv && argv[argc])
		argc++;
	if (!m)
		return NULL;
	pvmi_pack_str(m, task);
	pvmi_put_int(m, flags);
	pvmi_pack_str(m, where ? where : "");
	pvmi_put_int(m, n);
	pvmi_put_int(m, argc);
	for (int i = 0; i < argc; i++)
		pvmi_pack_str(m, argv[i]);
	pack_where(m, &pvmi.out);
	pack_where(m, &pvmi.trace);
	pack_environment(m, flags);
	return m;
}

/* Ids first, then what went wrong, whatever the order in which the manager has them. */
static int take_ids(struct pvmi_msg *m, int n, int *tids)
{
	int count = pvmi_get_int(m), good = 0, bad = n;

	if (count < 0)
		return count;
	for (int i = 0; i < n; i++) {
		int tid = i < count ? pvmi_get_int(m) : PvmOutOfRes;
		if (tid > 0 && !pvmi_is_task(tid))
			tid = PvmBadMsg;
		int at = tid > 0 ? good++ : --bad;
		if (tids)
			tids[at] = tid;
	}
	return good;
}

static int spawn_managed(const char *task, char **argv, int flags, const char *where, int n,
			 int *tids)
{
	struct pvmi_msg *reply;
	int rc = pvmi_ask_manager(SM_SPAWN, pack_request(task, argv, flags, where, n), &reply);

	if (rc != 0)
		return rc;
	rc = take_ids(reply, n, tids);
	pvmi_drop(reply);
	return rc;
}

static int spawn(const char *task, char **argv, int flags, const char *where, int n, int *tids)
{
	struct dvmi_buf args = { 0 }, body;
	int rc = pvmi_enrol();

	if (rc < 0)
		return rc;
	if (!task || n < 1)
		return PvmBadParam;
	rc = pvmi_managed() ? spawn_managed(task, argv, flags, where, n, tids) : PVMI_NO_MANAGER;
	if (rc != PVMI_NO_MANAGER)
		return rc;
	put_request(&args, task, argv, flags, where, n);
	rc = pvmi_ask(PVMI_SPAWN, &args, &body);
	if (rc >= 0)
		rc = take_tids(&body, n, tids);
	dvmi_buf_free(&args);
	dvmi_buf_free(&body);
	return rc;
}

int pvm_spawn(char *task, char **argv, int flags, char *where, int ntask, int *tids)
{
	PVMI_BEGINS(TEV_SPAWN, PVMI_STRING(SE, task), PVMI_STRING(SW, where), PVMI_INT(SF, flags),
		    PVMI_INT(SC, ntask));
	int rc = spawn(task, argv, flags, where, ntask, tids);
	PVMI_ENDS(TEV_SPAWN, PVMI_INT(CC, rc), PVMI_INTS(STL, tids, tids && rc > 0 ? rc : 0));
	return pvmi_result("pvm_spawn", rc);
}

/* ---- what is exported ---- */

static bool listed(const char *list, const char *name)
{
	char *one;
	bool is = false;

	while (list && !is && (one = next_name(&list))) {
		is = strcmp(one, name) == 0;
		free(one);
	}
	return is;
}

int pvm_export(char *name)
{
	const char *list = getenv(EXPORT);
	char *longer;

	if (!name)
		return pvmi_result("pvm_export", PvmBadParam);
	if (!*name || listed(list, name))
		return 0;
	if (asprintf(&longer, "%s%s%s", list ? list : "", list && *list ? ":" : "", name) < 0)
		return pvmi_result("pvm_export", PvmNoMem);
	setenv(EXPORT, longer, 1);
	free(longer);
	return 0;
}

int pvm_unexport(char *name)
{
	const char *list = getenv(EXPORT);
	char *one;

	if (!name)
		return pvmi_result("pvm_unexport", PvmBadParam);
	if (!listed(list, name))
		return 0;
	char *shorter = calloc(1, strlen(list) + 2);
	while (shorter && (one = next_name(&list))) {
		if (strcmp(one, name) != 0) {
			strcat(shorter, *shorter ? ":" : "");
			strcat(shorter, one);
		}
		free(one);
	}
	if (shorter && *shorter)
		setenv(EXPORT, shorter, 1);
	else
		unsetenv(EXPORT);
	free(shorter);
	return 0;
}
