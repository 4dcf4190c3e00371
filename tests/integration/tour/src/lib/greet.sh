greet() {
    echo "Hello, $1, from $(busybox id -u)"
}
