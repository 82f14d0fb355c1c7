# The bundle of `make build` on a base without shell or package manager, whose entry point is node. The heap stays at three quarters of the
# container's memory limit. A mirror of the base: --build-arg BASE=...
ARG BASE=gcr.io/distroless/nodejs24-debian13:nonroot
FROM ${BASE}
WORKDIR /app
COPY dist/operator.mjs dist/operator.mjs.map ./
ENV NODE_ENV=production \
    NODE_OPTIONS="--enable-source-maps --max-old-space-size-percentage=75"
USER 65532:65532
EXPOSE 8080
CMD ["operator.mjs"]
