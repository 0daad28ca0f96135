package phrase

// storePhrases are what applications say when a database, a cache or a pool of connections to one does not serve them: a proxy in
// front of them sees a 500, or nothing for a long time.
var storePhrases = []Phrase{
	// PostgreSQL: libpq, JDBC.
	{"could not translate host name", "", "temporary failure", nxDomain, exact, Strong, Gateway, "", "libpq"},
	{"could not translate host name", "temporary failure", "", dnsTry, exact, Strong, Gateway, "", "libpq"},
	{"connection to server at \"", "refused", "", refused, exact, Strong, Gateway, "", "libpq 14"},
	{"connection to server at \"", "timeout expired|timed out", "", connectTimeout, exact, Strong, Gateway, "", "libpq 14"},
	{"connection to server at \"", "no route to host", "", noRoute, exact, Strong, Gateway, "", "libpq 14"},
	{"connection to server on socket \"", "no such file", "", socketGone, exact, Strong, Gateway, "", "libpq 14"},
	{"connection to server on socket \"", "refused", "", refused, exact, Strong, Gateway, "", "libpq 14"},
	{"is the server running on host", "refused", "", refused, exact, Strong, Gateway, "", "libpq before 14"},
	{"is the server running on host", "timed out|timeout expired", "", connectTimeout, exact, Strong, Gateway, "", "libpq before 14"},
	{"is the server running locally and accepting", "no such file", "", socketGone, exact, Strong, Gateway, "", "libpq"},
	{"server closed the connection unexpectedly", "", "", closed, Worded, Strong, Gateway, "", "libpq"},
	{" refused. check that the hostname and port are correct", "", "", refused, exact, Strong, Gateway, "", "PostgreSQL's JDBC driver"},
	{"the connection attempt failed.", "psqlexception", "refused|unknownhost|timed out", lost, Named, Strong, Gateway, "", "PostgreSQL's JDBC driver"},
	{"sorry, too many clients already", "", "", storeFull, exact, Strong, Application, "", "PostgreSQL"},
	{"remaining connection slots are reserved", "", "", storeFull, exact, Strong, Application, "", "PostgreSQL"},

	// MySQL and MariaDB.
	{"sqlstate[hy000] [2002]", "refused", "", refused, exact, Strong, Gateway, "", "PHP's PDO"},
	{"sqlstate[hy000] [2002]", "timed out", "", connectTimeout, exact, Strong, Gateway, "", "PHP's PDO"},
	{"sqlstate[hy000] [2002]", "no such file", "", socketGone, exact, Strong, Gateway, "", "PHP's PDO"},
	{"sqlstate[hy000] [2002]", "getaddrinfo|name or service", "", nxDomain, exact, Strong, Gateway, "", "PHP's PDO"},
	{"sqlstate[hy000] [1040]", "", "", storeFull, exact, Strong, Application, "", "PHP's PDO"},
	{"sqlstate[08006]", "refused", "", refused, exact, Strong, Gateway, "", "PHP's PDO"},
	{"sqlstate[08006]", "could not translate host name|name or service", "", nxDomain, exact, Strong, Gateway, "", "PHP's PDO"},
	{"connect to mysql server on", "(111|refused|10061", "", refused, exact, Strong, Gateway, "", "MySQL"},
	{"connect to mysql server on", "(110|timed out|10060", "", connectTimeout, exact, Strong, Gateway, "", "MySQL"},
	{"connect to mysql server on", "(113", "", noRoute, exact, Strong, Gateway, "", "MySQL"},
	{"connect to server on '", "(111|refused", "", refused, exact, Strong, Gateway, "", "MariaDB"},
	{"connect to server on '", "(110|timed out", "", connectTimeout, exact, Strong, Gateway, "", "MariaDB"},
	{"connect to local mysql server through socket", "(2|no such file", "", socketGone, exact, Strong, Gateway, "", "MySQL"},
	{"connect to local server through socket", "(2|no such file", "", socketGone, exact, Strong, Gateway, "", "MariaDB"},
	{"unknown mysql server host", "", "", nxDomain, exact, Strong, Gateway, "", "MySQL"},
	{"unknown server host '", "", "", nxDomain, exact, Strong, Gateway, "", "MariaDB"},
	{"mysql server has gone away", "", "", race, exact, Strong, Gateway, "", "MySQL"},
	{"lost connection to mysql server", "", "", closedOrReset, Worded, Strong, Gateway, "", "MySQL"},
	{"communications link failure", "", "refused|timed out|unknownhost", lost, Named, Strong, Gateway, "", "MySQL's JDBC driver"},

	// MongoDB, Redis, Elasticsearch.
	{"serverselectiontimeouterror", "timed out", "refused", connectTimeout, Worded, Strong, Gateway, "", "MongoDB"},
	{"server selection timed out after", "", "refused", connectTimeout, Worded, Strong, Gateway, "", "MongoDB"},
	{"server selection error: ", "", "refused|no such host", connectTimeout, Worded, Strong, Gateway, "", "MongoDB's Go driver"},
	{"could not connect to redis at", "refused", "", refused, exact, Strong, Gateway, "", "redis-cli"},
	{"max number of clients reached", "", "", storeFull, exact, Strong, Application, "", "Redis"},
	{"no living connections", "", "", nobody, exact, Strong, Gateway, "", "Elasticsearch"},
	{"nolivingconnections", "", "", nobody, exact, Strong, Gateway, "", "Elasticsearch"},

	// Pools that gave no connection in time.
	{"queuepool limit of size", "", "", connLimit, exact, Strong, Application, "", "SQLAlchemy"},
	{"connection is not available, request timed out after", "", "", connLimit, exact, Strong, Application, "", "HikariCP"},
	{"timeout acquiring a connection. the pool is probably full", "", "", connLimit, exact, Strong, Application, "", "Knex"},
	{"connectionacquiretimeouterror", "", "", connLimit, exact, Strong, Application, "", "Sequelize"},
	{"could not obtain a connection from the pool", "", "", connLimit, exact, Strong, Application, "", "Rails"},
	{"could not obtain a database connection within", "", "", connLimit, exact, Strong, Application, "", "Rails before 5"},
	{"elapsed prior to obtaining a connection from the pool", "", "", connLimit, exact, Strong, Application, "", ".NET"},
	{"fetching a new connection from the connection pool", "", "", connLimit, exact, Strong, Application, "", "Prisma"},
	{"connection not available and request was dropped from queue", "", "", connLimit, exact, Strong, Application, "", "Elixir's DBConnection"},
	{"cannot get a connection, pool error", "", "", connLimit, exact, Strong, Application, "", "Java's DBCP"},
	{"timeout: pool empty", "", "", connLimit, exact, Strong, Application, "", "Tomcat's JDBC pool"},
	{"timeout exceeded when trying to connect", "", "", poolOrConnect, Worded, Strong, Gateway, "", "node-postgres"},

	// Threads and queues of the application itself.
	{"rejectedexecutionexception", "pool size|threadpool|executor", "shutting down|shutdown", queueFull, Worded, Strong, Application, "", "Java"},
	{"rack::timeout::requesttimeout", "", "", workerTimeout, exact, Strong, Application, "", "Rack::Timeout"},
	{"rack::timeout::requestexpiry", "", "", queueTimeout, exact, Strong, Application, "", "Rack::Timeout"},
	{"rack::timeout::requestexpired", "", "", queueTimeout, exact, Strong, Application, "", "Rack::Timeout before 0.3"},
}
