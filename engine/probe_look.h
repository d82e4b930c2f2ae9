/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fio-dmabuf-probe: looking at files, device nodes and other programs. Changes nothing.
 */
#ifndef FIO_DMABUF_PROBE_LOOK_H
#define FIO_DMABUF_PROBE_LOOK_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

#include "probe.h"

/**
 * look_read - read the first line of a file
 * @to: where to; empty where the file cannot be read
 * @len: room there
 * @fmt: printf format of the path
 *
 * Return: @to.
 */
char * __attribute__((format(printf, 3, 4)))
look_read(char *to, size_t len, const char *fmt, ...);

/**
 * look_number - read a number from a file
 * @fmt: printf format of the path
 *
 * Return: the number, or -1 where there is none.
 */
long long __attribute__((format(printf, 1, 2)))
look_number(const char *fmt, ...);

/**
 * look_link - where a symbolic link leads, by the last part of the path
 * @to: where to; empty where there is no such link
 * @len: room there
 * @fmt: printf format of the path
 *
 * Return: @to.
 */
char * __attribute__((format(printf, 3, 4)))
look_link(char *to, size_t len, const char *fmt, ...);

/**
 * look_list - the names in a folder
 * @folder: its path
 * @names: what scandir() allocates, sorted; to be given to look_list_free()
 *
 * Return: how many; 0 where there is no such folder.
 */
int look_list(const char *folder, struct dirent ***names);

/**
 * look_list_free - free what look_list() gave
 * @names: the names
 * @nr: how many
 */
void look_list_free(struct dirent **names, int nr);

/**
 * look_node - may this user use a device node?
 * @row: gets the answer, and the node's rights
 * @path: the node
 * @mode: R_OK, W_OK or both
 *
 * Return: true if so.
 */
bool look_node(struct probe_row *row, const char *path, int mode);

/**
 * look_run - run a program to its end
 * @argv: its path, or its name in $PATH, and its arguments
 * @line: called with each line of what it writes, without the line feed; either stream
 * @arg: passed to @line
 *
 * Return: its exit status, or -1 if it could not be run or was killed.
 */
int look_run(const char *const argv[], void (*line)(const char *text, void *arg), void *arg);

#endif
