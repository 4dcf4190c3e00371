FROM base AS one
CMD ["one"]
ENTRYPOINT ["/e"]
FROM one
CMD ["two"]
