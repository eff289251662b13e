/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay between the caller's terminal and the container's pty master (foreground run with a terminal).
 *
 * The caller's descriptors stay blocking, for O_NONBLOCK would be seen by everybody who shares them; poll(2) says when
 * one chunk fits (PIPE_BUF for pipes).  The master is ours alone and does not block.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

#include "runtime/runtime-internal.h"

static void set_raw(struct rt_terminal *t)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &t->saved) < 0)
		return; /* not a terminal: bytes go through as they are */
	raw = t->saved;
	cfmakeraw(&raw);
	t->raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

void rt_terminal_begin(struct rt_terminal *t, int master)
{
	memset(t, 0, sizeof(*t));
	t->master = master;
	if (master < 0)
		return;
	(void)fcntl(master, F_SETFL, O_NONBLOCK);
	set_raw(t);
	rt_terminal_resize(t);
}

static bool size_of_ours(struct winsize *ret)
{
	return (ioctl(STDIN_FILENO, TIOCGWINSZ, ret) == 0 || ioctl(STDOUT_FILENO, TIOCGWINSZ, ret) == 0) &&
	       ret->ws_row > 0 && ret->ws_col > 0;
}

void rt_terminal_resize(const struct rt_terminal *t)
{
	struct winsize ws;

	if (t->master >= 0 && size_of_ours(&ws))
		(void)ioctl(t->master, TIOCSWINSZ, &ws);
}

void rt_terminal_preset(struct joey_process *p)
{
	struct winsize ws;

	if (!p->terminal || !size_of_ours(&ws))
		return;
	p->console_height = ws.ws_row;
	p->console_width = ws.ws_col;
}

static bool can_fill(const struct rt_flow *f)
{
	return !f->ended && f->len == 0;
}

static void fill(struct rt_flow *f, int fd)
{
	ssize_t n = read(fd, f->data, sizeof(f->data));

	if (n > 0) {
		f->at = 0;
		f->len = (size_t)n;
	} else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
		f->ended = true; /* EIO on a master: nobody has the other side open */
	}
}

static void drain(struct rt_flow *f, int fd)
{
	ssize_t n = write(fd, f->data + f->at, f->len);

	if (n > 0) {
		f->at += (size_t)n;
		f->len -= (size_t)n;
	} else if (n < 0 && errno != EINTR && errno != EAGAIN) {
		f->len = 0; /* the reader is gone; go on, so that the container does not block */
	}
}

void rt_terminal_want(const struct rt_terminal *t, struct pollfd p[3])
{
	bool on = t->master >= 0;
	short master = 0;

	if (on && can_fill(&t->out))
		master |= POLLIN;
	if (on && t->in.len > 0 && !t->out.ended)
		master |= POLLOUT;
	p[0] = (struct pollfd){ .fd = on && can_fill(&t->in) ? STDIN_FILENO : -1, .events = POLLIN };
	p[1] = (struct pollfd){ .fd = on && t->out.len > 0 ? STDOUT_FILENO : -1, .events = POLLOUT };
	p[2] = (struct pollfd){ .fd = master ? t->master : -1, .events = master };
}

void rt_terminal_move(struct rt_terminal *t, const struct pollfd p[3])
{
	if (p[0].revents)
		fill(&t->in, STDIN_FILENO);
	if (p[1].revents)
		drain(&t->out, STDOUT_FILENO);
	if ((p[2].revents & (POLLIN | POLLHUP | POLLERR)) && can_fill(&t->out))
		fill(&t->out, t->master);
	if (p[2].revents & POLLOUT)
		drain(&t->in, t->master);
	else if (p[2].revents & (POLLHUP | POLLERR))
		t->in.len = 0; /* nobody reads: poll(2) would say so for ever */
}

void rt_terminal_end(struct rt_terminal *t)
{
	if (t->master < 0)
		return;
	do {
		if (t->out.len > 0 && joey_write_all(STDOUT_FILENO, t->out.data + t->out.at, t->out.len) < 0)
			break;
		t->out.len = 0;
		if (!t->out.ended)
			fill(&t->out, t->master);
	} while (t->out.len > 0);
	if (t->raw)
		(void)tcsetattr(STDIN_FILENO, TCSANOW, &t->saved);
}
