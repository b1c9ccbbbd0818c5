#!/usr/bin/env bash
# memory fails under a pool: the handler learns of it, the hugepage leaves circulation, the rest goes on
# SPDX-License-Identifier: BSD-3-Clause
# Copyright (c) 2026 The Labyrinth authors
#
# vm: kernel=small,debian backend=none hugepages=32 timeout=90
set -euo pipefail

exec "$BUILD/app/test-labyrinth/vm/retire-test"
