/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026 The Labyrinth authors
 *
 * Reads the command line, by argp. Knows addresses and numbers.
 */
#include "options.h"

#include <argp.h>
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/ip_addr.h>

#define DEFAULT_FRAMES  8192
#define DEFAULT_SPIN_US 50

enum { IP6 = 256, GATEWAY, RX_FRAMES, TX_FRAMES, HOLD, PRIVATE };

static const struct argp_option table[] = {
	{"ip", 'i', "ADDRESS/PREFIX", 0, "the IPv4 address to answer for", 0},
	{"gateway", GATEWAY, "ADDRESS", 0, "where IPv4 packets to other networks go", 0},
	{"ip6", IP6, "ADDRESS", 0,
	 "an IPv6 address (/64) beside the link-local one; up to four times", 0},
	{"root", 'r', "FOLDER", 0, "serve its files, which are read into memory at the start", 0},
	{"port", 'p', "N", 0, "of HTTP (80); 0: none", 0},
	{"echo-port", 'e', "N", 0, "of the TCP echo (7); 0: none", 0},
	{"adaptive", 'a', "US", OPTION_ARG_OPTIONAL,
	 "after US microseconds (50) without a packet sleep until the next, instead of polling on",
	 0},
	{"seconds", 's', "N", 0, "stop after N seconds (on SIGINT or SIGTERM)", 0},
	{"quiet", 'q', NULL, 0, "no status line a second", 0},
	{NULL, 0, NULL, 0, "Frames:", 1},
	{"frames", 'f', "N", 0, "in the pool (8192)", 1},
	{"rx-frames", RX_FRAMES, "N", 0, "most with the device for receiving", 1},
	{"tx-frames", TX_FRAMES, "N", 0, "most with the device for sending", 1},
	{"hold", HOLD, "N", 0,
	 "most that the stack keeps; what more it has to keep is copied (a quarter of the pool)",
	 1},
	{"pool", 'P', "NAME", 0, "the pool's name for labyrinth-info (lwip-httpd)", 1},
	{"private", PRIVATE, NULL, 0, "a private pool, which labyrinth-info cannot see", 1},
	{"ordinary-pages", 'o', NULL, 0, "a pool on ordinary pages instead of hugepages", 1},
	{NULL, 0, NULL, 0, NULL, 0},
};

/* The whole of @arg as a number from @least to @most, or an end with a sentence. */
static uint32_t number(struct argp_state *state, const char *arg, const char *what, uint32_t least,
		       uint32_t most)
{
	char *end;
	unsigned long long value = strtoull(arg, &end, 10);

	if (*arg < '0' || *arg > '9' || *end || value < least || value > most) {
		argp_error(state, "%s is '%s'; it must be a number from %u to %u", what, arg, least,
			   most);
		return least; /* argp_error() does not return, but its declaration does not say so
			       */
	}
	return (uint32_t)value;
}

/* Not by lwIP's own ip4addr_aton() and ip6addr_aton(): they take 10.77 and fd00::x. */
static bool read_address(const char *arg, ip4_addr_t *to)
{
	struct in_addr in;

	if (inet_pton(AF_INET, arg, &in) != 1)
		return false;
	ip4_addr_set_u32(to, in.s_addr);
	return true;
}

/* "10.77.0.2/24" */
static void read_ip(struct argp_state *state, const char *arg, struct lab_lwip_config *stack)
{
	const char *slash = strchr(arg, '/');
	char address[IP4ADDR_STRLEN_MAX] = {0};
	uint32_t prefix;

	if (!slash || (size_t)(slash - arg) >= sizeof(address)) {
		argp_error(state,
			   "--ip is '%s'; it must be an address with its prefix, as 10.77.0.2/24",
			   arg);
		return;
	}
	memcpy(address, arg, (size_t)(slash - arg));
	if (!read_address(address, &stack->ip))
		argp_error(state, "--ip: %s is not an IPv4 address", address);
	if (ip4_addr_isany_val(stack->ip) || ip4_addr_isloopback(&stack->ip) ||
	    ip4_addr1(&stack->ip) >= 224)
		argp_error(state, "--ip: %s is no address of one interface", address);
	prefix = number(state, slash + 1, "the prefix of --ip", 1, 32);
	ip4_addr_set_u32(&stack->netmask, lwip_htonl(UINT32_MAX << (32 - prefix)));
}

static void read_ip6(struct argp_state *state, const char *arg, struct lab_lwip_config *stack)
{
	ip6_addr_t *to = &stack->ip6[stack->ip6_count];
	struct in6_addr in;

	if (stack->ip6_count == LAB_LWIP_IP6_MAX)
		argp_error(state, "--ip6: %u addresses at most", LAB_LWIP_IP6_MAX);
	if (inet_pton(AF_INET6, arg, &in) != 1)
		argp_error(state, "--ip6: %s is not an IPv6 address", arg);
	memcpy(to->addr, &in, sizeof(to->addr));
	ip6_addr_clear_zone(to);
	if (ip6_addr_isany(to) || ip6_addr_isloopback(to) || ip6_addr_ismulticast(to))
		argp_error(state, "--ip6: %s is no address of one interface", arg);
	stack->ip6_count++;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;

	switch (key) {
	case 'i':
		read_ip(state, arg, &o->stack);
		break;
	case GATEWAY:
		if (!read_address(arg, &o->stack.gateway))
			argp_error(state, "--gateway: %s is not an IPv4 address", arg);
		break;
	case IP6:
		read_ip6(state, arg, &o->stack);
		break;
	case 'r':
		o->root = arg;
		break;
	case 'p':
		o->port = (uint16_t)number(state, arg, "--port", 0, 65535);
		break;
	case 'e':
		o->echo_port = (uint16_t)number(state, arg, "--echo-port", 0, 65535);
		break;
	case 'a':
		o->spin_us = arg ? number(state, arg, "--adaptive", 1, 1000000) : DEFAULT_SPIN_US;
		break;
	case 's':
		o->seconds = number(state, arg, "--seconds", 1, 1000000000);
		break;
	case 'q':
		o->quiet = true;
		break;
	case 'f':
		o->pool.frames = number(state, arg, "--frames", 64, 1u << 30);
		break;
	case RX_FRAMES:
		o->device.rx_frames = number(state, arg, "--rx-frames", 1, LAB_NETDEV_FRAMES_MAX);
		break;
	case TX_FRAMES:
		o->device.tx_frames = number(state, arg, "--tx-frames", 1, LAB_NETDEV_FRAMES_MAX);
		break;
	case HOLD:
		o->stack.hold = number(state, arg, "--hold", 1, 1u << 30);
		break;
	case 'P':
		o->pool.name = arg;
		break;
	case PRIVATE:
		o->pool.flags &= ~(uint32_t)LAB_POOL_SHARED;
		break;
	case 'o':
		o->pool.page_size = LAB_PAGE_4K;
		break;
	case ARGP_KEY_ARG:
		if (o->device.device)
			argp_error(state, "one device only; '%s' is the second", arg);
		o->device.device = arg;
		break;
	case ARGP_KEY_END:
		if (!o->device.device)
			argp_error(state, "name a device: af_xdp:eth1, or e1000e:0000:00:03.0");
		if (ip4_addr_isany_val(o->stack.ip) && !o->stack.ip6_count)
			argp_error(state, "name an address: --ip 10.77.0.2/24, or --ip6");
		if (o->port && o->port == o->echo_port)
			argp_error(state, "--port and --echo-port are both %u", o->port);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

void options_parse(struct options *o, int argc, char **argv)
{
	const struct argp argp = {table,
				  parse,
				  "DEVICE",
				  "A web server and a TCP echo on lwIP, whose packets lie in "
				  "Labyrinth frames.\vDEVICE is af_xdp:INTERFACE (af_xdp:eth1), or "
				  "e1000e:ADDRESS (e1000e:0000:00:03.0), a PCI function that "
				  "devtools/bind.sh has bound to vfio-pci.",
				  NULL,
				  NULL,
				  NULL};

	*o = (struct options){
		.pool = {.name = "lwip-httpd",
			 .frames = DEFAULT_FRAMES,
			 .flags = LAB_POOL_FALLBACK | LAB_POOL_SHARED},
		.port = 80,
		.echo_port = 7,
	};
	argp_parse(&argp, argc, argv, 0, NULL, o);
}
