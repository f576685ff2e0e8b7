// Package stories tells what Sayso promises, as scripts on the real binary. It
// holds tests only.
//
// Each *.txtar file is one promise and is named by it. The binary is built once,
// with the default flags; every story runs it in a folder of its own, on ports
// of its own. Beside the commands of testscript (exec, stdout, stderr, cmp, cp,
// env …) a story has these; [!] says that ! before it turns it round:
//
//	world start [arg…]      run `sayso arg…` in the background and wait until /ready says so
//	node start [flag…]      the same with `sayso serve`: a node without a street
//	world stop|kill         end it with an interrupt, which must give exit code 0, or with kill -9
//	[!] sayso arg…          run a verb against it
//	[!] gql [-token T] [-path P] QUERY
//	                        ask; $NAME in the query is the variable of the story; ! wants errors
//	[!] grpc [-token T] METHOD JSON
//	                        call a method of docs/fetch.proto; answer and request are JSON
//	[!] http [-token T] [-body FILE] [-header K:V] METHOD PATH
//	                        any request; the answer's body is stdout, status and headers are stderr
//	keep NAME FILE [PATH]   keep a text, or a member of JSON, as a variable
//	[!] json FILE PATH OP [VALUE]
//	                        check a member of JSON: == != < <= > >= has there missing,
//	                        near VALUE TOLERANCE, hex (equal as hexadecimal numbers)
//	moment NAME OFFSET [ROUND [PLUS]]
//	                        a time as a variable: the story's beginning plus OFFSET, down to a multiple
//	                        of ROUND (1s without it), then plus PLUS
//	fill FILE TEMPLATE      a file with $NAME in it filled in
//	until TIME REGEXP COMMAND arg…
//	                        run sayso, gql, http or source until its output matches
//	hear FILE               write everything that is answered from here on into a file as well; - ends it
//	absent FILE TEXT…       the file must not contain any of the texts
//	needs npm|mosquitto|samples|disk
//	                        skip without them; with CI=true fail. disk mounts a file system of the story's own
//	                        as ./disk, which root can, and is skipped where that cannot be
//	mqtt publish 3|5 USER PASSWORD TOPIC FILE…
//	                        publish files with Eclipse Paho in MQTT 3.1.1 or 5, quality of service 1, and print
//	                        the reason codes of the acknowledgements
//	mqtt storm DEVICE ACKS  publish without pause and kill -9 the node after so many acknowledgements
//	letter FILE DEVICE SPEED [signer=KEY|none] [source=KEY] [subject=DID] [producer=DID] [id=ID]
//	                        write a device's signed message, or one in which a part is another's
//	flood TIME CONNECTIONS DEVICE...
//	                        send far too much without minding refusals; the output is what was answered, as JSON,
//	                        and audit compares what can be read
//	anvil start [flag…]     another chain, Foundry's, in a process of its own, with JSON-RPC at $CHAIN
//	anvil deploy FILE       put the contracts on it for the operator of sayso-keys; FILE is for --contracts
//	[!] anvil call METHOD [JSON…]
//	                        a call of its JSON-RPC, the answer is stdout
//	anvil emit ADDRESS EVENT [VALUE…]
//	                        have a contract at that address emit an event, Name(type [indexed],…), as the
//	                        contracts of the live network do; a number may be text:WORDS
//	anvil head              the number of its newest block
//	anvil stop              end it; with --state it is there again after the next start
//	sdk                     the published SDK, as npm gives it, into ./node_modules
//	helps                   check the --help of every verb
//	crash TIMES DEVICE…     have devices send without pause and kill -9 the node so many times,
//	                        and every fifth time once more while it starts
//	power TIMES DEVICE…     the same with the power: the file system of needs disk is cut off so many times,
//	                        and every fourth time once more while the node starts
//	audit [VEHICLE…]        compare what can be read with what the devices of crash sent
//	backup FOLDER DEVICE…   have devices send without pause, make a backup meanwhile, and kill -9 the node;
//	                        audit then wants what was acknowledged before the backup began
//	[!] canaries FOLDER TEXT…
//	                        look for texts and numbers in every file of a folder, in every form that they may have;
//	                        ! wants that they are found
//	quit FILE               end the node with SIGQUIT and keep what it says of its goroutines
//	requests FOLDER OWNER DEVICE
//	                        send the samples of a folder as the device, and compare what the owner reads
//	receiver start          a target of webhooks, at $RECEIVER, which the next node may reach; the token is "secret"
//	receiver answer STATUS  what it says from here on; 200 at first
//	receiver told N FILE    wait until it was told N times since the last time, and write the bodies as a JSON array
//	model TOOL ARGUMENTS    have agents.json of the next node name a model, a fake one: it asks for that tool and answers with what it said
//	[!] mcp [-token T | -as NAME] list | call TOOL JSON
//	                        ask as an agent, with the official client of MCP: over HTTP, or `sayso mcp --as NAME`;
//	                        ! wants that the tool fails or its answer has errors
//	personal NAME KEY TEXT  a variable with the signature that wallets give by personal_sign
//	source ports            free ports for the doors of connections and attestations: $CONNECTIONS, $ATTESTATIONS
//	source new NAME DEVICE VEHICLE OWNER
//	                        a connection, and a synthetic device of it in a vehicle, as its owner signs
//	[!] source send NAME FILE
//	                        post a file with a certificate for the connection
//	[!] source attest KEY WHO ID DATA
//	                        sign a statement about the vehicle $DID with a key and post it with the token of WHO, or nobody's
//	drive FILE TRUTH        compare an answer with the truth of a recorded drive
//
// Stories run side by side, as many as there are CPUs (go test -parallel).
package stories
