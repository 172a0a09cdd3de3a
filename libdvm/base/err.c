/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "libdvm/base/err.h"

static const struct {
	int code;
	const char *text;
} texts[] = {
	{ DVM_EPEERLOST, "peer lost" },
	{ DVM_ENOQUORUM, "the machine's leader cannot be reached" },
	{ DVM_ESTALEVIEW, "stale view of the machine" },
	{ DVM_EPROTO, "protocol error" },
	{ DVM_EVERSION, "no common protocol version" },
	{ DVM_EAUTH, "not authorised" },
	{ DVM_ETRUNC, "message truncated" },
	{ DVM_ENOMACHINE, "no dvm machine is running here" },
	{ DVM_ENOSLOTS, "not enough slots" },
	{ DVM_EREVOKED, "revoked" },
	{ DVM_ECLOSED, "peer has closed" },
};

const char *dvm_strerror(int code)
{
	if (code < 0)
		code = code == -__INT_MAX__ - 1 ? 0 : -code;
	if (code == 0)
		return "success";
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (texts[i].code == code)
			return texts[i].text;
	const char *text = strerrordesc_np(code);
	return text ? text : "unknown error";
}

int dvmi_error_set(dvm_error_t *err, int code, const char *fmt, ...)
{
	if (err) {
		int saved = errno;
		va_list ap;

		va_start(ap, fmt);
		vsnprintf(err->text, sizeof err->text, fmt, ap);
		va_end(ap);
		err->code = code;
		errno = saved;
	}
	return code;
}

int dvmi_error_code(dvm_error_t *err, int code, const char *fmt, ...)
{
	if (err) {
		int saved = errno;
		va_list ap;

		va_start(ap, fmt);
		vsnprintf(err->text, sizeof err->text, fmt, ap);
		va_end(ap);
		size_t len = strlen(err->text);
		snprintf(err->text + len, sizeof err->text - len, ": %s", dvm_strerror(code));
		err->code = code;
		errno = saved;
	}
	return code;
}

int dvmi_error_prefix(dvm_error_t *err, const char *fmt, ...)
{
	if (!err)
		return 0;
	char was[DVM_ERROR_TEXT_MAX];
	int saved = errno;
	va_list ap;

	memcpy(was, err->text, sizeof was);
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	size_t len = strlen(err->text);
	snprintf(err->text + len, sizeof err->text - len, ": %s", was);
	errno = saved;
	return err->code;
}
