#!/usr/bin/env bash
# Start a MariaDB on loopback for the tests, in a new folder, and print its URL. `kill $(cat FOLDER/pid)` ends it.
set -euo pipefail
folder=$(mktemp -d /tmp/winnow-mariadb.XXXXXX)
socket="$folder/socket"
port=$(python3 "$(dirname "$0")/ports.py")
user=$(id -un)

mariadb-install-db --no-defaults --user="$user" --datadir="$folder/data" --auth-root-authentication-method=normal \
    --skip-test-db >"$folder/log" 2>&1
mariadbd --no-defaults --user="$user" --datadir="$folder/data" --socket="$socket" --pid-file="$folder/pid" \
    --bind-address=127.0.0.1 --port="$port" --innodb-flush-log-at-trx-commit=0 --skip-log-bin >>"$folder/log" 2>&1 &
mariadb-admin --no-defaults --user=root --socket="$socket" --wait=30 ping >>"$folder/log" 2>&1
mariadb --no-defaults --user=root --socket="$socket" --execute \
    "CREATE USER winnow@'127.0.0.1' IDENTIFIED BY 'winnow'; GRANT ALL ON *.* TO winnow@'127.0.0.1'"
echo "mariadb+pymysql://winnow:winnow@127.0.0.1:$port/mysql"
