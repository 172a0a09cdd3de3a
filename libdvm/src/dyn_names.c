/* SPDX-License-Identifier: BSD-3-Clause */
/* Service names. */
#include <errno.h>
#include <string.h>

#include "libdvm/base/err.h"
#include "libdvm/src/ask.h"

/* Room for the strings behind the head. */
union name_packet {
	struct dvmi_rank_name head;
	uint8_t room[sizeof(struct dvmi_rank_name) + DVMI_RANK_SERVICE_MAX + DVMI_RANK_VALUE_MAX];
};

static int check_service(const dvm_t *d, const char *service, dvm_error_t *err)
{
	if (!d || !service)
		return dvmi_error_set(err, -EINVAL, "no handle or no name");
	size_t len = strnlen(service, DVM_SERVICE_MAX + 1);
	if (len == 0 || len > DVM_SERVICE_MAX)
		return dvmi_error_set(err, -EINVAL, "the name of a service has 1 … %d bytes",
				      DVM_SERVICE_MAX);
	return (int)len;
}

static int ask_name(dvm_t *d, struct dvmi_ask *a, uint16_t type, const char *service,
		    const void *value, size_t value_len, uint32_t timeout_ms, dvm_error_t *err)
{
	int len = check_service(d, service, err);
	union name_packet p = { .head.ask.timeout_ms = timeout_ms };

	if (len < 0)
		return len;
	p.head.service_len = (uint32_t)len;
	p.head.value_len = (uint32_t)value_len;
	memcpy(p.head.bytes, service, (size_t)len);
	if (value_len)
		memcpy(p.head.bytes + len, value, value_len);
	const struct dvmi_question q = { .type = type,
					 .head = &p,
					 .head_len = sizeof p.head + (size_t)len + value_len };
	return dvmi_ask(d, a, &q, err);
}

int dvm_name_publish(dvm_t *d, const char *service, const void *value, size_t len, dvm_error_t *err)
{
	struct dvmi_ask a;

	if (len > DVM_SERVICE_VALUE_MAX || (len && !value))
		return dvmi_error_set(err, -EINVAL, "a service is published with 0 … %d bytes",
				      DVM_SERVICE_VALUE_MAX);
	return ask_name(d, &a, DVMI_RANK_NAME_PUT, service, value, len, 0, err);
}

int dvm_name_lookup(dvm_t *d, const char *service, void *value, size_t max, size_t *len,
		    uint64_t *job, int *rank, uint32_t timeout_ms, dvm_error_t *err)
{
	struct dvmi_ask a;

	if (max && !value)
		return dvmi_error_set(err, -EINVAL, "no place for the value");
	if (timeout_ms > 60000)
		return dvmi_error_set(err, -EINVAL, "a lookup waits 60000 ms at most");
	int rc = ask_name(d, &a, DVMI_RANK_NAME_GET, service, NULL, 0, timeout_ms, err);
	if (rc < 0)
		return rc;
	if (len)
		*len = a.len;
	if (a.len > max)
		return dvmi_error_set(err, -EMSGSIZE, "%s has %u bytes", service, a.len);
	memcpy(value, a.bytes, a.len);
	if (job)
		*job = a.job;
	if (rank)
		*rank = (int)a.rank;
	return 0;
}

int dvm_name_unpublish(dvm_t *d, const char *service, dvm_error_t *err)
{
	struct dvmi_ask a;

	return ask_name(d, &a, DVMI_RANK_NAME_DROP, service, NULL, 0, 0, err);
}
