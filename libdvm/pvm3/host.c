/* SPDX-License-Identifier: BSD-3-Clause */
/* The hosts of the machine. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/pvm3/code.h"
#include "libdvm/pvm3/manager.h"

struct hosts {
	struct pvmhostinfo *v;
	int n;
};

static struct hosts shown; /* what pvm_config() lends until it is called again */

static void forget(struct hosts *h)
{
	for (int i = 0; i < h->n; i++) {
		free(h->v[i].hi_name);
		free(h->v[i].hi_arch);
	}
	free(h->v);
	*h = (struct hosts){ 0 };
}

static int take_hosts(const struct dvmi_buf *body, struct hosts *out)
{
	struct dvmi_reader r;

	dvmi_reader_init(&r, body->data, body->len);
	uint32_t n = dvmi_get_u32(&r);
	if (r.err || n > body->len / 16)
		return PvmBadMsg;
	out->v = calloc(n + 1, sizeof *out->v);
	if (!out->v)
		return PvmNoMem;
	for (; out->n < (int)n; out->n++) {
		struct pvmhostinfo *h = &out->v[out->n];
		h->hi_tid = (int)dvmi_get_u32(&r);
		h->hi_name = dvmi_get_str(&r, PVMI_NAME_MAX);
		h->hi_arch = dvmi_get_str(&r, PVMI_NAME_MAX);
		h->hi_speed = (int)dvmi_get_u32(&r);
		h->hi_dsig = (int)dvmi_get_u32(&r);
	}
	return dvmi_reader_done(&r) < 0 ? PvmBadMsg : 0;
}

/* N hosts, as the resource manager has them. */
static int take_packed(struct pvmi_msg *m, int n, struct hosts *out)
{
	out->v = n < 0 || (size_t)n > m->len / 20 ? NULL : calloc((size_t)n + 1, sizeof *out->v);
	if (!out->v)
		return PvmBadMsg;
	for (; out->n < n; out->n++) {
		struct pvmhostinfo *h = &out->v[out->n];
		h->hi_tid = pvmi_get_int(m);
		h->hi_name = pvmi_get_str(m);
		h->hi_arch = pvmi_get_str(m);
		h->hi_speed = pvmi_get_int(m);
		h->hi_dsig = pvmi_get_int(m);
		if (!h->hi_name || !h->hi_arch) {
			out->n++;
			return PvmBadMsg;
		}
	}
	return 0;
}

/* Hosts behind their number and that of architectures. */
static int ask_manager(int tag, struct pvmi_msg *question, struct hosts *out)
{
	struct pvmi_msg *reply;
	int rc = pvmi_ask_manager(tag, question, &reply);

	if (rc != 0)
		return rc;
	int n = pvmi_get_int(reply);
	pvmi_get_int(reply);
	rc = n < 0 ? n : take_packed(reply, n, out);
	pvmi_drop(reply);
	return rc;
}

static int ask_hosts(struct hosts *out)
{
	struct dvmi_buf body;
	int rc = pvmi_enrol();

	if (rc < 0)
		return rc;
	rc = pvmi_managed() ? ask_manager(SM_CONFIG, pvmi_manager_body(), out) : PVMI_NO_MANAGER;
	if (rc != PVMI_NO_MANAGER)
		return rc;
	rc = pvmi_ask(PVMI_CONFIG, NULL, &body);
	if (rc >= 0)
		rc = take_hosts(&body, out);
	dvmi_buf_free(&body);
	return rc;
}

static int count_archs(const struct hosts *h)
{
	int n = 0;

	for (int i = 0; i < h->n; i++) {
		int k = 0;
		while (k < i && strcmp(h->v[k].hi_arch, h->v[i].hi_arch) != 0)
			k++;
		n += k == i;
	}
	return n;
}

int pvm_config(int *nhost, int *narch, struct pvmhostinfo **hosts)
{
	struct hosts now = { 0 };
	int rc = ask_hosts(&now);

	if (rc < 0) {
		forget(&now);
		return pvmi_result("pvm_config", rc);
	}
	if (nhost)
		*nhost = now.n;
	if (narch)
		*narch = count_archs(&now);
	if (!hosts) {
		forget(&now); /* whoever has the last list keeps it */
		return 0;
	}
	forget(&shown);
	shown = now;
	*hosts = shown.v;
	return 0;
}

/* How hosts of ARCH lay data out, among those of the machine. */
int pvm_archcode(char *arch)
{
	struct hosts now = { 0 };
	int rc = arch ? ask_hosts(&now) : PvmBadParam, code = PvmNotFound;

	for (int i = 0; rc == 0 && i < now.n; i++)
		if (strcmp(now.v[i].hi_arch, arch) == 0)
			code = now.v[i].hi_dsig;
	forget(&now);
	return pvmi_result("pvm_archcode", rc < 0 ? rc : code);
}

int pvm_mstat(char *host)
{
	struct dvmi_buf args = { 0 };
	int rc = host ? pvmi_enrol() : PvmBadParam;

	if (rc == 0) {
		dvmi_buf_put_str(&args, host);
		rc = pvmi_ask(PVMI_MSTAT, &args, NULL);
		dvmi_buf_free(&args);
	}
	return pvmi_result("pvm_mstat", rc);
}

int pvm_tidtohost(int tid)
{
	return (int)((unsigned)tid & PVMI_TIDHOST);
}

/* ---- that come and go ---- */

/* How many there are without what is wrong; or a code. */
static int take_codes(const struct dvmi_buf *body, int n, int *codes)
{
	struct dvmi_reader r;
	int good = 0;

	dvmi_reader_init(&r, body->data, body->len);
	if (dvmi_get_u32(&r) != (uint32_t)n)
		return PvmBadMsg;
	for (int i = 0; i < n; i++) {
		int code = (int)dvmi_get_u32(&r);
		good += code >= 0;
		if (codes)
			codes[i] = code;
	}
	return r.err ? PvmBadMsg : good;
}

static struct pvmi_msg *pack_names(char **names, int n)
{
	struct pvmi_msg *m = pvmi_manager_body();

	if (m)
		pvmi_put_int(m, n);
	for (int i = 0; m && i < n; i++)
		pvmi_pack_str(m, names[i] ? names[i] : "");
	return m;
}

/* What came of host I: 1 if it is good. */
static int note_code(int *codes, int i, int code)
{
	if (codes)
		codes[i] = code;
	return code >= 0;
}

static int add_managed(char **names, int n, int *codes)
{
	struct hosts h = { 0 };
	int good = 0, rc = ask_manager(SM_ADDHOST, pack_names(names, n), &h);

	for (int i = 0; rc == 0 && i < n; i++)
		good += note_code(codes, i, i < h.n ? h.v[i].hi_tid : PvmOutOfRes);
	forget(&h);
	return rc == 0 ? good : rc;
}

static int delete_managed(char **names, int n, int *codes)
{
	struct pvmi_msg *reply;
	int good = 0, rc = pvmi_ask_manager(SM_DELHOST, pack_names(names, n), &reply);

	if (rc != 0)
		return rc;
	rc = pvmi_get_int(reply) == n ? 0 : PvmOutOfRes;
	for (int i = 0; rc == 0 && i < n; i++)
		good += note_code(codes, i, pvmi_get_int(reply));
	pvmi_drop(reply);
	return rc < 0 ? rc : good;
}

static int change_managed(uint16_t type, char **names, int n, int *codes)
{
	return type == PVMI_HOSTS_ADD ? add_managed(names, n, codes) :
					delete_managed(names, n, codes);
}

static int change(uint16_t type, char **names, int n, int *codes)
{
	struct dvmi_buf args = { 0 }, body;
	int rc = pvmi_enrol();

	if (rc < 0)
		return rc;
	if (!names || n < 1)
		return PvmBadParam;
	rc = pvmi_managed() ? change_managed(type, names, n, codes) : PVMI_NO_MANAGER;
	if (rc != PVMI_NO_MANAGER)
		return rc;
	dvmi_buf_put_u32(&args, (uint32_t)n);
	for (int i = 0; i < n; i++)
		dvmi_buf_put_str(&args, names[i] ? names[i] : "");
	rc = pvmi_ask(type, &args, &body);
	if (rc >= 0)
		rc = take_codes(&body, n, codes);
	dvmi_buf_free(&args);
	dvmi_buf_free(&body);
	return rc;
}

int pvm_addhosts(char **hosts, int count, int *codes)
{
	return pvmi_result("pvm_addhosts", change(PVMI_HOSTS_ADD, hosts, count, codes));
}

int pvm_delhosts(char **hosts, int count, int *codes)
{
	return pvmi_result("pvm_delhosts", change(PVMI_HOSTS_DEL, hosts, count, codes));
}

/* ---- clocks ---- */

static int clock_of(int host, struct timeval *t)
{
	struct dvmi_buf args = { 0 }, body;
	struct dvmi_reader r;

	dvmi_buf_put_u32(&args, (uint32_t)host);
	int rc = pvmi_ask(PVMI_HOSTSYNC, &args, &body);
	if (rc >= 0) {
		dvmi_reader_init(&r, body.data, body.len);
		t->tv_sec = (time_t)dvmi_get_u32(&r);
		t->tv_usec = (suseconds_t)dvmi_get_u32(&r);
		rc = dvmi_reader_done(&r) < 0 ? PvmBadMsg : 0;
	}
	dvmi_buf_free(&args);
	dvmi_buf_free(&body);
	return rc;
}

/* Our clock in the middle between question and answer is compared with the other's. */
int pvm_hostsync(int host, struct timeval *remote, struct timeval *delta)
{
	struct timeval before, after, there, twice, here;
	int rc = pvmi_enrol();

	if (rc < 0)
		return pvmi_result("pvm_hostsync", rc);
	gettimeofday(&before, NULL);
	rc = clock_of(host, &there);
	gettimeofday(&after, NULL);
	if (rc < 0)
		return pvmi_result("pvm_hostsync", rc);
	timersub(&after, &before, &twice);
	twice.tv_usec = (twice.tv_usec + (twice.tv_sec & 1) * 1000000) / 2;
	twice.tv_sec /= 2;
	timeradd(&before, &twice, &here);
	if (remote)
		*remote = there;
	if (delta)
		timersub(&here, &there, delta);
	return 0;
}

/* ---- the machine as a whole ---- */

/* With the machine comes its virtual machine: attaching to it is starting it. */
int pvm_start_pvmd(int argc, char **argv, int block)
{
	(void)argc;
	(void)argv;
	(void)block;
	if (pvmi.tid)
		return pvmi_result("pvm_start_pvmd", PvmDupHost);
	bool there;
	int fd = pvmi_find_running(&there);
	if (fd < 0)
		return pvmi_result("pvm_start_pvmd", PvmCantStart);
	close(fd);
	return there ? pvmi_result("pvm_start_pvmd", PvmDupHost) : 0;
}

int pvm_halt(void)
{
	int rc = pvmi_enrol();

	if (rc == 0)
		rc = pvmi_ask(PVMI_HALT, NULL, NULL);
	return pvmi_result("pvm_halt", rc);
}

char *pvm_version(void)
{
	static char version[] = PVM_VER;

	return version;
}
