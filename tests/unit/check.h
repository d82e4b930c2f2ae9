/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For tests in C: exit status 0, 1 or 77, and what failed.
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <stdio.h>
#include <stdlib.h>

#define T_SKIP	77

#define check(cond)								\
do {										\
	if (!(cond)) {								\
		printf("%s:%d: not so: %s\n", __FILE__, __LINE__, #cond);	\
		exit(1);							\
	}									\
} while (0)

#define skip(...)								\
do {										\
	printf(__VA_ARGS__);							\
	putchar('\n');								\
	exit(T_SKIP);								\
} while (0)

#endif
