greet() {
    echo "$1 says: $2"
}
