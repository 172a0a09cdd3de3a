/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/cli/relay.h"
#include "daemon/cli/show.h"
#include "libdvm/base/text.h"

const char *cli_time_rfc3339(uint64_t wall, char out[CLI_TIME_MAX])
{
	time_t sec = (time_t)(wall / 1000000000);
	struct tm tm;

	if (!wall || !gmtime_r(&sec, &tm)) {
		*out = '\0';
		return out;
	}
	size_t n = strftime(out, CLI_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out + n, CLI_TIME_MAX - n, ".%06uZ", (unsigned)(wall % 1000000000 / 1000));
	return out;
}

const char *cli_time_span(uint64_t ns, char out[CLI_TIME_MAX])
{
	return ns ? dvmi_text_duration_format(ns, out) : strcpy(out, "0s");
}

const char *cli_time_ago(uint64_t wall, uint64_t now, char out[CLI_TIME_MAX])
{
	uint64_t ns = now > wall ? now - wall : 0;

	if (!wall)
		return strcpy(out, "-");
	/* Nobody wants the milliseconds of a thing that has been so for a while. */
	return cli_time_span(ns / 1000000000 * 1000000000, out);
}

/* Which write failed, and long ago, errno does not always tell; the pipe does. */
static bool reader_has_left(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO, .events = POLLOUT };

	return poll(&out, 1, 0) > 0 && (out.revents & POLLERR);
}

int cli_output_failed(int why)
{
	if (why == EPIPE || reader_has_left())
		cli_relay_die(SIGPIPE);
	return why ? -why : -EIO;
}

int cli_json_print(json_t *j)
{
	if (!j)
		return -ENOMEM;
	errno = 0;
	int rc = json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY | JSON_PRESERVE_ORDER);
	int why = errno;
	putchar('\n');
	json_decref(j);
	return rc == 0 ? 0 : cli_output_failed(why);
}

/* Bytes of the well-formed UTF-8 character at P, or 0. */
static size_t utf8_length(const unsigned char *p, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len = *p < 0x80		       ? 1
		     : *p >= 0xc2 && *p < 0xe0 ? 2
		     : (*p & 0xf0) == 0xe0     ? 3
		     : *p >= 0xf0 && *p < 0xf5 ? 4
					       : 0;
	uint32_t code = len == 1 ? *p : len ? *p & (0xffu >> (len + 1)) : 0;

	if (!len || len > n)
		return 0;
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	bool good = code >= least[len] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
	return good ? len : 0;
}

json_t *cli_json_text(const char *s, size_t n)
{
	json_t *j = json_stringn(s, n);
	struct dvmi_buf b = { 0 };

	if (j)
		return j;
	for (size_t i = 0; i < n;) {
		size_t len = utf8_length((const unsigned char *)s + i, n - i);

		if (len)
			dvmi_buf_put(&b, s + i, len);
		else
			dvmi_buf_put(&b, "\xef\xbf\xbd", 3);
		i += len ? len : 1;
	}
	j = b.err ? NULL : json_stringn((char *)b.data, b.len);
	dvmi_buf_free(&b);
	return j;
}

json_t *cli_json_string(const char *s)
{
	return cli_json_text(s, strlen(s));
}

json_t *cli_json_time(uint64_t wall)
{
	char text[CLI_TIME_MAX];

	return wall ? json_string(cli_time_rfc3339(wall, text)) : json_null();
}

json_t *cli_json_strings(char *const *v, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < n; i++)
		json_array_append_new(list, cli_json_string(v[i]));
	return list;
}
