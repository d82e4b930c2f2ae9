/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FIO_DMABUF_WHY_H
#define FIO_DMABUF_WHY_H

#include <stdarg.h>
#include <stdio.h>

/**
 * struct why - the reason of a failure, in one line for the user
 * @text: names the object, the reason and, where there is one, the remedy
 */
struct why {
	char text[512];
};

/**
 * why_set - say why, and pass the error on
 * @why: where to
 * @err: a negative errno
 * @fmt: printf format, no newline
 *
 * Return: @err, so that "return why_set(...)" is one statement.
 */
static inline int __attribute__((format(printf, 3, 4)))
why_set(struct why *why, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why->text, sizeof(why->text), fmt, ap);
	va_end(ap);
	return err;
}

#endif
