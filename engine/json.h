/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef FIO_DMABUF_JSON_H
#define FIO_DMABUF_JSON_H

#include <stdio.h>

/**
 * json_string - write a string with the quotes and escapes that JSON wants
 * @out: where to
 * @s: the string, in UTF-8
 */
void json_string(FILE *out, const char *s);

#endif
