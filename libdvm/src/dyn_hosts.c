/* SPDX-License-Identifier: BSD-3-Clause */
/* The machine's nodes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "libdvm/base/cleanup.h"
#include "libdvm/base/err.h"
#include "libdvm/src/ask.h"

_Static_assert((int)DVM_HOST_SUSPECT == (int)DVMI_HOST_SUSPECT &&
		       (int)DVM_HOST_DOWN == (int)DVMI_HOST_DOWN,
	       "one numbering of states");

static dvm_host_t public_host(const struct dvmi_rank_host *h)
{
	dvm_host_t out = { .id = h->id,
			   .state = h->state,
			   .cores = h->cores,
			   .slots = h->slots,
			   .slots_used = h->slots_used,
			   .load_100 = h->load_100,
			   .mem_total = h->mem_total,
			   .mem_free = h->mem_free };

	memcpy(out.name, h->name, sizeof out.name - 1);
	memcpy(out.kernel, h->host, sizeof out.kernel - 1);
	return out;
}

static int read_list(int fd, dvm_host_t *hosts, uint32_t n, dvm_error_t *err)
{
	struct dvmi_rank_host h;

	for (uint32_t i = 0; i < n; i++) {
		if (pread(fd, &h, sizeof h, (off_t)(i * sizeof h)) != sizeof h)
			return dvmi_error_set(err, -DVM_EPROTO, "the list of nodes is cut");
		hosts[i] = public_host(&h);
	}
	return 0;
}

int dvm_hosts(dvm_t *d, dvm_host_t *hosts, int max, dvm_error_t *err)
{
	struct dvmi_rank_ask head = { 0 };
	const struct dvmi_question q = { .type = DVMI_RANK_HOSTS,
					 .head = &head,
					 .head_len = sizeof head };
	struct dvmi_ask a;

	if (!d || max < 0 || (max && !hosts))
		return dvmi_error_set(err, -EINVAL, "no handle, or no place for the nodes");
	int rc = dvmi_ask(d, &a, &q, err);
	if (rc < 0)
		return rc;
	cleanup_fd int fd = a.fd;
	if (a.count > INT32_MAX || fd < 0)
		return dvmi_error_set(err, -DVM_EPROTO, "the list of nodes makes no sense");
	rc = read_list(fd, hosts, a.count < (uint32_t)max ? a.count : (uint32_t)max, err);
	return rc < 0 ? rc : (int)a.count;
}

static int ask_with_text(dvm_t *d, uint16_t type, const char *text, dvm_error_t *err)
{
	struct dvmi_rank_ask head = { 0 };
	const struct dvmi_question q = { .type = type,
					 .head = &head,
					 .head_len = sizeof head,
					 .tail = text,
					 .tail_len = strlen(text) };
	struct dvmi_ask a;

	return dvmi_ask(d, &a, &q, err);
}

int dvm_host_add(dvm_t *d, const char *hosts, dvm_error_t *err)
{
	if (!d)
		return dvmi_error_set(err, -EINVAL, "no handle");
	return ask_with_text(d, DVMI_RANK_HOST_ADD, hosts ? hosts : "", err);
}

int dvm_host_remove(dvm_t *d, const char *name, dvm_error_t *err)
{
	if (!d || !name || !*name)
		return dvmi_error_set(err, -EINVAL, "no handle, or no node is named");
	return ask_with_text(d, DVMI_RANK_HOST_DROP, name, err);
}
