/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hosts that come and go because a task wants it. Each host of a change is either refused at once,
 * or first the hoster's, if there is one, and then the machine's; when all are done the asker hears.
 */
#include "daemon/pvm/world_private.h"

static void free_change(struct pvm_world *w, struct host_change *c)
{
	LL_DELETE(w->changes, c);
	for (uint32_t i = 0; c->names && i < c->n; i++)
		free(c->names[i]);
	for (uint32_t i = 0; c->options && i < c->n; i++)
		free(c->options[i]);
	free(c->names);
	free(c->options);
	free(c->codes);
	free(c->hosted);
	free(c);
}

/* A change of N hosts; their names are to be filled in. NULL without memory. */
static struct host_change *new_change(struct pvm_world *w, const struct task *t, uint32_t n,
				      bool add)
{
	struct host_change *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	*c = (struct host_change){ .id = w->last_change, .asker = t->tid, .n = n, .left = n,
				   .add = add, .first = w->nhosts + 1 };
	w->last_change += n; /* a number for each host */
	c->codes = calloc(n + 1, sizeof *c->codes);
	c->names = calloc(n + 1, sizeof *c->names);
	c->options = calloc(n + 1, sizeof *c->options);
	c->hosted = calloc(n + 1, sizeof *c->hosted);
	LL_PREPEND(w->changes, c);
	if (c->codes && c->names && c->options && c->hosted)
		return c;
	free_change(w, c);
	return NULL;
}

/* The value of option NAME ("wd=") among OPTIONS, up to a blank; the caller's. */
static char *option(const char *options, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = options; *p; p += strcspn(p, " \t")) {
		p += strspn(p, " \t");
		if (strncmp(p, name, n) == 0)
			return strndup(p + n, strcspn(p + n, " \t"));
	}
	return NULL;
}

/* What a host file says of a host that is there now, by whomever it was added. */
static void set_options(struct pvm_world *w, struct host *h, const char *options)
{
	char *wd = option(options, "wd="), *ep = option(options, "ep=");
	char *speed = option(options, "sp=");
	struct dvmi_buf b = { 0 };

	if (speed && atoi(speed) > 0)
		h->speed = atoi(speed);
	dvmi_buf_put_str(&b, wd ? wd : "");
	dvmi_buf_put_str(&b, ep ? ep : "");
	if (!b.err)
		w->ops.to_agent(w->arg, h->index, PVMI_OPTIONS, 0, 0, &b);
	dvmi_buf_free(&b);
	free(wd);
	free(ep);
	free(speed);
}

static void apply_options(struct pvm_world *w, const struct host_change *c)
{
	for (uint32_t i = 0; c->add && i < c->n; i++) {
		struct host *h = c->options[i] ? pvm_host_named(w, c->names[i]) : NULL;
		if (h)
			set_options(w, h, c->options[i]);
	}
}

/* Takes the options from behind name I. */
static void split_name(struct host_change *c, uint32_t i)
{
	char *name = c->names[i], *rest = name ? name + strcspn(name, " \t") : NULL;

	if (!rest || !*rest)
		return;
	*rest = 0;
	c->options[i] = strdup(rest + 1);
}

/* The ids of hosts that were added, or codes. */
static void answer(struct pvm_world *w, const struct host_change *c)
{
	struct dvmi_buf b = { 0 };

	dvmi_buf_put_u32(&b, c->n);
	for (uint32_t i = 0; i < c->n; i++) {
		const struct host *h = c->names[i] ? pvm_host_named(w, c->names[i]) : NULL;
		dvmi_buf_put_u32(&b, (uint32_t)(c->add && c->codes[i] == 0 && h ? pvm_host_tid(h) :
										  c->codes[i]));
	}
	pvm_answer(w, c->asker, c->question, 0, &b);
	dvmi_buf_free(&b);
}

static void finish_change(struct pvm_world *w, struct host_change *c)
{
	if (c->left)
		return;
	apply_options(w, c);
	if (pvm_task(w, c->asker)) {
		if (c->ordered)
			pvm_role_added(w, c);
		else
			answer(w, c);
	}
	free_change(w, c);
}

static int known_before(const struct pvm_world *w, const char *name, bool add)
{
	bool there = pvm_host_named(w, name) != NULL;

	if (add)
		return there ? PvmDupHost : 0;
	return there ? 0 : PvmNoHost;
}

static void start_change(struct pvm_world *w, struct host_change *c)
{
	const uint32_t first = c->id, n = c->n;

	for (uint32_t i = 0; c->add && i < n; i++)
		split_name(c, i);
	c->left++; /* so that it does not end under our hands */
	for (uint32_t i = 0; i < n; i++) {
		c->codes[i] = known_before(w, c->names[i], c->add);
		c->left -= c->codes[i] < 0;
	}
	const bool hosted = c->add && pvm_role_hosts(w, c);
	for (uint32_t i = 0; i < n; i++) {
		if (c->codes[i] < 0)
			continue;
		c->hosted[i] = hosted;
		if (!hosted)
			w->ops.change_host(w->arg, first + i, c->add, c->names[i]);
	}
	c->left--;
	finish_change(w, c);
}

static void change_hosts(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r,
			 bool add)
{
	uint32_t n = dvmi_get_u32(r);
	struct host_change *c = r->err || n > PVM_HOSTS_MAX ? NULL : new_change(w, t, n, add);

	for (uint32_t i = 0; c && i < n; i++)
		c->names[i] = dvmi_get_str(r, PVMI_NAME_MAX);
	if (!c || r->err) {
		pvm_answer(w, t->tid, id, r->err ? PvmBadParam : PvmNoMem, NULL);
		if (c)
			free_change(w, c);
		return;
	}
	c->question = id;
	start_change(w, c);
}

void pvm_call_hosts_add(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	change_hosts(w, t, id, r, true);
}

void pvm_call_hosts_del(struct pvm_world *w, struct task *t, uint32_t id, struct dvmi_reader *r)
{
	change_hosts(w, t, id, r, false);
}

void pvm_change_asked(struct pvm_world *w, struct task *t, int wid, char **names, uint32_t n)
{
	struct host_change *c = n <= PVM_HOSTS_MAX ? new_change(w, t, n, true) : NULL;

	if (!c)
		return;
	for (uint32_t i = 0; i < n; i++) {
		c->names[i] = names[i];
		names[i] = NULL;
	}
	c->ordered = true;
	c->wid = wid;
	start_change(w, c);
}

static struct host_change *change_of(const struct pvm_world *w, uint32_t id)
{
	struct host_change *c;

	LL_FOREACH(w->changes, c)
		if (id - c->id < c->n)
			break;
	return c;
}

void pvm_world_hosts_done(struct pvm_world *w, uint32_t id, int code)
{
	struct host_change *c = change_of(w, id);

	if (!c || !c->left)
		return;
	c->codes[id - c->id] = code;
	c->left--;
	finish_change(w, c);
}

/* ---- with a hoster ---- */

int pvm_change_tid(const struct host_change *c, uint32_t i)
{
	return (int)((c->first + i) << PVMI_HOST_SHIFT);
}

/* The hoster has said of host I what it can. */
static void hosted(struct pvm_world *w, struct host_change *c, uint32_t i, int code)
{
	const uint32_t id = c->id + i;

	c->hosted[i] = false;
	if (code < 0)
		pvm_world_hosts_done(w, id, code);
	else
		w->ops.change_host(w->arg, id, true, c->names[i]);
}

void pvm_change_hosted(struct pvm_world *w, uint32_t id, int tid, int code)
{
	struct host_change *c = change_of(w, id);

	for (uint32_t i = 0; c && i < c->n; i++)
		if (c->hosted[i] && pvm_change_tid(c, i) == tid) {
			hosted(w, c, i, code);
			return;
		}
}

void pvm_change_unhosted(struct pvm_world *w, uint32_t id)
{
	struct host_change *c = change_of(w, id);
	const uint32_t n = c ? c->n : 0;

	/* With the last of them it ends. */
	for (uint32_t i = 0; i < n && (c = change_of(w, id)); i++)
		if (c->hosted[i])
			hosted(w, c, i, PvmCantStart);
}

bool pvm_world_hosts_late(struct pvm_world *w)
{
	struct host_change *c, *next;
	bool waits = false;

	LL_FOREACH_SAFE(w->changes, c, next) {
		bool asked = false;
		for (uint32_t i = 0; i < c->n; i++)
			asked = asked || c->hosted[i];
		if (asked && c->late) {
			pvm_change_unhosted(w, c->id);
			continue;
		}
		c->late = asked;
		waits = waits || asked;
	}
	return waits;
}

void pvm_changes_unhosted(struct pvm_world *w)
{
	struct host_change *c, *next;

	LL_FOREACH_SAFE(w->changes, c, next) {
		const uint32_t id = c->id, n = c->n;
		for (uint32_t i = 0; i < n && (c = change_of(w, id)); i++)
			if (c->hosted[i])
				hosted(w, c, i, 0);
	}
}

void pvm_changes_free(struct pvm_world *w)
{
	while (w->changes)
		free_change(w, w->changes);
}
