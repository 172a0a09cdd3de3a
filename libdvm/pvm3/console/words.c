// SPDX-License-Identifier: BSD-3-Clause
/* Lines into words. */
#include <string.h>

#include "libdvm/pvm3/console/console.h"

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Takes the word at *FROM, writes it to TO without its quotes; false where one is not closed. */
static bool take_word(char **from, char *to)
{
	char quote = '\0', *p = *from;

	for (; *p && (quote || !blank(*p)); p++) {
		if (quote ? *p == quote : *p == '"' || *p == '\'')
			quote = quote ? '\0' : *p;
		else if (*p == '\\' && quote != '\'' && p[1])
			*to++ = *++p;
		else
			*to++ = *p;
	}
	if (*p)
		p++;
	*to = '\0'; /* never behind what has been read */
	*from = p;
	return !quote;
}

int words_split(char *line, char **words, int max)
{
	int n = 0;

	for (;;) {
		while (blank(*line))
			line++;
		if (*line == '\0' || *line == '#')
			return n;
		if (n == max)
			return -1;
		words[n] = line;
		if (!take_word(&line, words[n]))
			return -1;
		n++;
	}
}
