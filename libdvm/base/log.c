/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "libdvm/base/clock.h"
#include "libdvm/base/log.h"

static const char *const level_names[] = {
	"emerg", "alert", "crit", "err", "warning", "notice", "info", "debug",
};

#define LEVELS ((int)(sizeof level_names / sizeof level_names[0]))

const char *dvmi_log_level_name(int level)
{
	return level >= 0 && level < LEVELS ? level_names[level] : "unknown";
}

int dvmi_log_level_parse(const char *name)
{
	for (int i = 0; i < LEVELS; i++)
		if (!strcmp(level_names[i], name))
			return i;
	return -EINVAL;
}

void dvmi_log(struct dvmi_log *log, const char *subsys, int level, const char *fmt, ...)
{
	if (!log || !log->sink || level > log->level)
		return;
	int saved = errno;
	char text[DVMI_LOG_LINE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	struct dvmi_log_record rec = {
		.level = level,
		.subsys = subsys,
		.node = log->node ? log->node : "",
		.view = log->view,
		.wall = dvmi_clock_wall(),
		.text = text,
	};
	log->sink(&rec, log->arg);
	errno = saved;
}

int dvmi_log_format(const struct dvmi_log_record *rec, char *out, int size)
{
	time_t sec = (time_t)(rec->wall / DVMI_SEC);
	char when[32];
	struct tm tm;

	gmtime_r(&sec, &tm);
	strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
	int n = snprintf(out, (size_t)size, "%s.%03uZ %s node=%s view=%llu %s: %s", when,
			 (unsigned)(rec->wall / DVMI_MSEC % 1000), dvmi_log_level_name(rec->level),
			 rec->node, (unsigned long long)rec->view, rec->subsys, rec->text);
	if (n >= size)
		n = size - 1;
	/* One record, one line, whatever a peer's name or message held. */
	for (int i = 0; i < n; i++)
		if ((unsigned char)out[i] < ' ')
			out[i] = ' ';
	return n;
}
